/**
 * What comes from the server. Server-sent events are read with fetch, since EventSource can't send
 * a header: the token must be in no cookie and no address.
 */
const KEY = 'pcf-dashboard-token';
const SILENCE_MS = 40_000;
const LONGEST_PAUSE_MS = 5_000;

/** Takes the token out of the address, so that it is in no history and on no screen. */
export function takeToken() {
  const [, token] = /^#token=(.+)$/.exec(location.hash) ?? [];
  if (!token) return;
  keepToken(decodeURIComponent(token));
  history.replaceState(null, '', '/');
}

/** For this tab alone. */
export function keepToken(token) {
  sessionStorage.setItem(KEY, token.trim());
}

const headers = () => ({ authorization: `Bearer ${sessionStorage.getItem(KEY) ?? ''}` });

/** Does it on the server; answers what was done. Throws the server's words. */
export async function act(request) {
  const response = await fetch('/api/actions', {
    method: 'POST',
    headers: { ...headers(), 'content-type': 'application/json' },
    body: JSON.stringify(request),
  });
  const body = await response.json();
  if (!response.ok) throw new Error(body.error);
  return body.done;
}

/** Follows the live picture until `stop` fires, across cut connections. */
export async function follow(selected, { event, state }, stop) {
  let last = '';
  for (let failures = 0; !stop.aborted; ) {
    try {
      await readOnce(selected, last, stop, (name, id, data) => {
        failures = 0;
        last = id;
        state('live');
        event(name, data);
      });
    } catch (error) {
      if (stop.aborted) return;
      if (error instanceof Refused && error.status < 500) return state('refused', error);
    }
    if (stop.aborted) return;
    // A stream that ended after it spoke is begun again at once, as the server does now and then.
    if (failures > 0) state('lost');
    failures += 1;
    await pause(
      Math.min(LONGEST_PAUSE_MS, 250 * 2 ** Math.min(failures, 6)) * (0.75 + Math.random() / 2),
      stop,
    );
  }
}

class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function readOnce(selected, last, stop, event) {
  const attempt = new AbortController();
  const signal = AbortSignal.any([stop, attempt.signal]);
  let silence = setTimeout(() => attempt.abort(), SILENCE_MS);
  try {
    const query = selected ? `?${new URLSearchParams(selected)}` : '';
    const response = await fetch(`/api/events${query}`, {
      headers: { ...headers(), ...(last ? { 'last-event-id': last } : {}) },
      signal,
    });
    if (!response.ok) throw new Refused(response.status, (await response.json()).error);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(silence);
      silence = setTimeout(() => attempt.abort(), SILENCE_MS);
      const messages = (text + value).split('\n\n');
      text = messages.pop();
      for (const message of messages) {
        const field = (name) =>
          message
            .split('\n')
            .find((line) => line.startsWith(`${name}: `))
            ?.slice(name.length + 2);
        event(field('event'), field('id') ?? '', JSON.parse(field('data') ?? 'null'));
      }
    }
  } finally {
    clearTimeout(silence);
    attempt.abort();
  }
}

function pause(ms, stop) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    stop.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
