/** Output as tables or JSON. Without colors if it is piped or NO_COLOR is set. */
import { styleText } from 'node:util';
import { Option } from 'commander';

/** An error that the user can fix. Printed without a stack trace. */
export class CliError extends Error {
  override readonly name = 'CliError';
}

type Style = Parameters<typeof styleText>[0];

export function paint(style: Style, text: string): string {
  return styleText(style, text, { stream: process.stdout });
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: ANSI escape sequences
const colours = /\u001b\[[0-9;]*m/g;

/** Table in the format of kubectl: columns separated by three spaces. */
export function table(header: readonly string[], rows: readonly (readonly string[])[], indent = ''): string {
  const widthOf = (cell: string) => cell.replace(colours, '').length;
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => widthOf(row[column] ?? ''))),
  );
  const line = (cells: readonly string[]) =>
    indent +
    cells
      .map((cell, column) => cell + ' '.repeat(widths[column]! - widthOf(cell)))
      .join('   ')
      .trimEnd();
  return [line(header), ...rows.map(line)].join('\n');
}

const BAR_WIDTH = 20;

/** Percentage as a bar. */
export function bar(percent: number): string {
  const full = Math.round((Math.min(100, percent) / 100) * BAR_WIDTH);
  return paint('cyan', '█'.repeat(full)) + paint('dim', '░'.repeat(BAR_WIDTH - full));
}

/** Age in the format of kubectl: 12s, 5m, 3h, 2d. */
export function age(timestamp: string | undefined, now = Date.now()): string {
  if (!timestamp) return '-';
  return span(Math.max(0, Math.round((now - Date.parse(timestamp)) / 1000)));
}

/** Duration in the same format. */
export function span(seconds: number): string {
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)}m`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)}h`;
  return `${Math.round(seconds / 86_400)}d`;
}

export type OutputFormat = 'table' | 'json';

export function outputOption(): Option {
  return new Option('-o, --output <format>', 'output format').choices(['table', 'json']).default('table');
}

/** Prints the result of an edit in the format of kubectl, or the object as JSON. */
export function report(
  { output }: { output: string },
  object: { metadata: { name: string } },
  what: string,
): void {
  if (output === 'json') printJson(object);
  else console.log(`pcfapi.pcf.dev/${object.metadata.name} ${what}`);
}

export function printJson(value: unknown): void {
  console.log(JSON.stringify(value, undefined, 2));
}
