/** Windows and freezes that hold steps of a delivery, for the page and the status output of the plugin. Pure. */
import type { WindowsStatus } from '../../api/v1alpha1/status/windows.js';

/** Undefined if no step is held, none would be without the override, and no value is measured. */
export function windowLines(windows: WindowsStatus | undefined): string[] | undefined {
  if (!windows || (windows.state === 'Open' && !windows.freezeWhen)) return undefined;
  const { state, holds, nextChange, closedBy = [], freezeWhen = [], override } = windows;
  const held = holds ? `: ${holds.join(', ')} held` : '';
  return [
    `${state}${held}${nextChange ? `, next change at ${nextChange}` : ''}`,
    ...closedBy.map(({ source, reason, until }) =>
      [`closed by ${source}`, until && `until ${until}`, reason && `(${reason})`].filter(Boolean).join(' '),
    ),
    ...freezeWhen.map(
      ({ name, outcome, value, measuredAt }) =>
        `${name}: ${outcome === 'Success' ? 'open' : 'frozen'} since ${measuredAt} (${value ?? 'no value'})`,
    ),
    ...(override
      ? [`overridden until ${override.until} by ${override.by ?? 'unknown'}: ${override.reason}`]
      : []),
  ];
}
