/**
 * Requests to the server. Server-sent events are read with fetch, because EventSource can't send an
 * Authorization header: the token must not be in a cookie or a URL.
 */
const KEY = 'pcf-dashboard-token';
const SILENCE_MS = 40_000;
const LONGEST_PAUSE_MS = 5_000;

/** Removes the token from the URL, so that it is not in the history and not visible. */
export function takeToken() {
  const [, token] = /^#token=(.+)$/.exec(location.hash) ?? [];
  if (!token) return;
  keepToken(decodeURIComponent(token));
  history.replaceState(null, '', '/');
}

/** Stores the token for this tab only. */
export function keepToken(token) {
  sessionStorage.setItem(KEY, token.trim());
}

const headers = () => ({ authorization: `Bearer ${sessionStorage.getItem(KEY) ?? ''}` });

/** Performs an action on the server. Returns its description. Throws the error message of the server. */
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

/** Id of the list that the page has. It is kept when another PcfApi is selected: the list is not sent again. */
let listId = '';

/** Follows the live state until `stop` fires, and reconnects. */
export async function follow(selected, { event, state }, stop) {
  let last = listId;
  for (let failures = 0; !stop.aborted; ) {
    try {
      await readOnce(selected, last, stop, (name, id, data) => {
        failures = 0;
        last = id;
        state('live');
        event(name, data);
        listId = id.split('.').find((part) => part.startsWith('list:')) ?? '';
      });
    } catch (error) {
      if (stop.aborted) return;
      if (error instanceof Refused && error.status < 500) return state('refused', error);
    }
    if (stop.aborted) return;
    // Reconnects immediately after a stream with data ends, because the server limits the age of a stream.
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
