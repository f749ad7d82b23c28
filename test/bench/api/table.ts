import type { Measured } from './load.js';

export interface Row {
  query: string;
  connections: number;
  /** By name of the subject, in the order of measurement. */
  results: Map<string, Measured>;
}

/** One line per subject, with the ratio of our rate to its rate. */
export function printTable(rows: Row[], print: (line: string) => void): void {
  for (const { query, connections, results } of rows) {
    const ours = results.get('ours')?.perSecond ?? Number.NaN;
    print(`\n${query}, ${connections} connection${connections === 1 ? '' : 's'}`);
    print(
      `  ${'server'.padEnd(16)}${['req/s', 'p50 ms', 'p99 ms', 'RSS MB', 'CPU us', 'ours is'].map((head) => head.padStart(9)).join('')}`,
    );
    for (const [name, { perSecond, p50, p99, memory, cpu }] of results) {
      const ratio = name === 'ours' ? '' : `${(ours / perSecond).toFixed(2)}x`;
      const cells = [
        perSecond.toFixed(0),
        p50.toFixed(1),
        p99.toFixed(1),
        String(memory),
        cpu.toFixed(0),
        ratio,
      ];
      print(`  ${name.padEnd(16)}${cells.map((cell) => cell.padStart(9)).join('')}`);
    }
  }
}

/** One line per missed target. */
export function shortfalls(rows: Row[]): string[] {
  return rows.flatMap(({ query, connections, results }) => {
    const ours = results.get('ours')?.perSecond ?? 0;
    return [...results].flatMap(([name, { perSecond }]) => {
      const target = name === 'floor' ? 0.7 * perSecond : perSecond;
      if (name === 'ours' || ours >= target) return [];
      const description = name === 'floor' ? '70 % of the floor' : name;
      return [
        `${query}, ${connections} connections: ${((100 * ours) / perSecond).toFixed(0)} % of ${name}, target: ${description}`,
      ];
    });
  });
}
