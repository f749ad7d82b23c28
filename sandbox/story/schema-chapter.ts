/** Chapter of the scenario "delivery" about a breaking change of the GraphQL schema that clients use. */
import { imageOf } from './scenario.js';
import { WorkerChapter } from './worker-chapter.js';

/** Reports a GraphQL schema without a field that the load selects. */
const BREAKING = '1.6.0';
const REMOVED = 'ServiceConnection.totalCount';

/** The schema of {@link BREAKING}. */
export function withoutTotalCount(schema: string): string {
  return schema.replace(/(type ServiceConnection \{[^}]*?)\n\n[^\n]*\n {2}totalCount: Int!/, '$1');
}

export abstract class SchemaChapter extends WorkerChapter {
  /** Starts and ends with all traffic on the stable revision. */
  protected async schemaInUse(): Promise<void> {
    this.chapter(
      `${BREAKING} removes ${REMOVED}, which clients use: its weight stays at 0 until it is approved`,
    );
    const startedAt = performance.now();
    await this.patch({
      strategy: { canary: { steps: [{ weight: 20, pause: true }], analysis: null } },
      image: imageOf(BREAKING),
    });
    await this.watch.until('held', (api) => api?.status?.reason === 'SchemaInUse');
    this.printDuration('held', performance.now() - startedAt);
    this.printReady();
    const { effectiveWeight } = this.watch.now()?.status?.traffic ?? {};
    this.expect(effectiveWeight === 0, `${BREAKING} has the weight ${effectiveWeight} without an approval`);
    const difference = await this.pcf('schema', 'diff', 'pcf-api');
    this.line(difference.trim().replaceAll('\n', '\n    '));
    this.expect(difference.includes(`${REMOVED} was removed`), `kubectl pcf schema diff shows ${difference}`);
    await this.pcf('schema', 'approve', 'pcf-api', '--reason', 'no page shows the total any more');
    await this.weightReached(20);
    this.line('kubectl pcf schema approve -> 20 % in effect');
    await this.pcf('abort', 'pcf-api');
    await this.watch.until('aborted', (api) => api?.status?.reason === 'AbortRequested');
  }
}
