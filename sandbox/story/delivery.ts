/** Strategies under load: steps with holds, an edit in the middle of one, an undo, an abort, a blue-green switch. */
import { imageOf, Tale } from './tale.js';

const OLD = '1.0.0';
const NEW = '1.1.0';

export class DeliveryStory extends Tale {
  protected override async chapters(): Promise<void> {
    this.load.start();
    await this.walkSteps();
    await this.undo();
    await this.editInTheMiddle();
    await this.abort();
    await this.blueGreen();
  }

  private async walkSteps(): Promise<void> {
    this.chapter('a canary by steps: 20 % and 50 %, held for 6 s each, then a pause');
    const steps = [
      { weight: 20, hold: '6s' },
      { weight: 50, hold: '6s' },
      { weight: 80, pause: true },
    ];
    await this.patch({
      strategy: { type: 'Canary', canary: { steps, scaleDownDelay: '60s' } },
      image: imageOf(NEW),
    });
    for (const weight of [20, 50, 80]) {
      await this.reaches(weight);
      await this.measure(`step at ${weight} %`, { [NEW]: weight });
    }
    await this.pcf('promote', 'pcf-api');
    await this.promoted(NEW);
    this.line('kubectl pcf promote -> promoted');
  }

  private async undo(): Promise<void> {
    this.chapter('undo, while the old pods still run');
    const startedAt = performance.now();
    this.line((await this.pcf('undo', 'pcf-api')).trim());
    await this.promoted(OLD);
    this.tellTime(`all of the traffic is back on ${OLD}`, performance.now() - startedAt);
    await this.measure('after the undo', { [OLD]: 100 });
  }

  private async editInTheMiddle(): Promise<void> {
    this.chapter('a live weight in the middle of a step');
    await this.patch({ strategy: { canary: { steps: [{ weight: 20, pause: true }] } }, image: imageOf(NEW) });
    await this.reaches(20);
    await this.shift(40);
    await this.measure('canaryWeight 40', { [NEW]: 40 });
    await this.patch({ canaryWeight: null });
    await this.reaches(20);
    this.line('canaryWeight taken out -> the step goes on at 20 %');
  }

  private async abort(): Promise<void> {
    this.chapter('abort by hand');
    const startedAt = performance.now();
    await this.pcf('abort', 'pcf-api');
    await this.watch.until('aborted', (api) => api?.status?.reason === 'AbortRequested');
    this.tellTime('given up', performance.now() - startedAt);
    await this.measure('after the abort', { [OLD]: 100 });
    const ready = this.watch.now()?.status?.conditions?.find(({ type }) => type === 'Ready');
    this.line(`Ready is ${ready?.status}: ${ready?.message}`);
  }

  private async blueGreen(): Promise<void> {
    this.chapter('blue-green: all new pods beside the old ones, one switch, and back');
    const strategy = { type: 'BlueGreen', blueGreen: { autoPromote: false } };
    await this.patch({ strategy, image: imageOf(OLD) });
    await this.promoted(OLD);
    await this.patch({ image: imageOf(NEW), source: { commit: 'story' } });
    await this.watch.until('the switch is waited for', (api) => {
      const { phase, conditions } = api?.status ?? {};
      return phase === 'Canary' && (conditions?.some(({ message }) => message.includes('promote')) ?? false);
    });
    await this.measure('before the switch', { [OLD]: 100 });
    const startedAt = performance.now();
    await this.pcf('promote', 'pcf-api');
    await this.promoted(NEW);
    this.tellTime('switched', performance.now() - startedAt);
    await this.measure('after the switch', { [NEW]: 100 });
    const undoneAt = performance.now();
    await this.pcf('undo', 'pcf-api');
    await this.promoted(OLD);
    this.tellTime('switched back', performance.now() - undoneAt);
    await this.measure('after switching back', { [OLD]: 100 });
    this.line((await this.pcf('history', 'pcf-api')).trim().replaceAll('\n', '\n    '));
  }

  private reaches(weight: number): Promise<void> {
    return this.watch.until(`${weight} % in force`, (api) => {
      const { traffic, updateRevision } = api?.status ?? {};
      return updateRevision !== undefined && traffic?.effectiveWeight === weight && traffic.verified;
    });
  }

  private promoted(version: string): Promise<void> {
    return this.watch.until(
      `${version} promoted`,
      (api) => api?.status?.phase === 'Ready' && api.status.stableImage === imageOf(version),
    );
  }
}
