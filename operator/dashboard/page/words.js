/** Formats times, images, phases and symbols. */

let aheadMs = 0;

/** Uses the clock of the server. */
export function setClock(serverNow) {
  aheadMs = serverNow - Date.now();
}

export const now = () => Date.now() + aheadMs;

/** 12s, 5m 10s, 3h 20m, 2d 4h */
export function span(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const two = (big, one, small, other) => `${big}${one}${small > 0 ? ` ${small}${other}` : ''}`;
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return two(Math.floor(seconds / 60), 'm', seconds % 60, 's');
  if (seconds < 86_400) return two(Math.floor(seconds / 3600), 'h', Math.floor((seconds % 3600) / 60), 'm');
  return two(Math.floor(seconds / 86_400), 'd', Math.floor((seconds % 86_400) / 3600), 'h');
}

/** The larger unit of {@link span}. */
export const about = (ms) => span(ms).split(' ')[0];

export const ago = (time) => (time ? about(now() - Date.parse(time)) : '–');

export const between = (from, to) => (from && to ? span(Date.parse(to) - Date.parse(from)) : '–');

/** registry.example.com/team/pcf-api:1.1.0 -> pcf-api:1.1.0 */
export const shortImage = (image) =>
  image
    .split('/')
    .at(-1)
    .replace(/@sha256:(.{12}).*/, '@$1');

/** Suffix of a revision name that identifies the revision. */
export const shortRevision = (revision) => revision.split('-').at(-1);

/** Each phase has a symbol in addition to its color. */
export const PHASES = {
  Ready: ['✓', 'ok'],
  Canary: ['◐', 'canary'],
  Progressing: ['↻', 'busy'],
  Migrating: ['⛁', 'busy'],
  Pending: ['…', 'busy'],
  Paused: ['‖', 'held'],
  Degraded: ['!', 'bad'],
  Failed: ['✗', 'bad'],
  Deleting: ['–', 'held'],
};

export const VERDICTS = {
  Passed: ['✓', 'ok'],
  Running: ['↻', 'busy'],
  Failed: ['✗', 'bad'],
  Inconclusive: ['?', 'held'],
  Unavailable: ['!', 'warn'],
};

export const OUTCOMES = {
  Promoted: ['✓', 'ok'],
  Aborted: ['✗', 'bad'],
  Undone: ['↩', 'warn'],
  RolledBack: ['↩', 'warn'],
  Cancelled: ['–', 'held'],
  Superseded: ['»', 'held'],
};

export const PODS = {
  ready: '✓',
  starting: '…',
  failing: '!',
  terminating: '–',
};
