/**
 * The page of an approval link. The token is in the fragment of the URL, which the browser does not send. It is removed
 * from the address bar and the history, and is sent only in the body of POST requests.
 */

const token = location.hash.slice(1);
history.replaceState(null, '', location.pathname);

const part = (id) => document.getElementById(id);

const TITLES = {
  approve: 'Approve this step?',
  abort: 'Abort this delivery?',
  Accepted: 'Done',
  Expired: 'The link expired',
  Used: 'The link can no longer be used',
  Blocked: 'The delivery is paused',
  Wrong: 'The link is not valid',
  Failed: 'The request failed',
};
const LABELS = { approve: 'Approve', abort: 'Abort' };

function show(title, message) {
  part('title').textContent = title;
  part('message').textContent = message;
  part('facts').hidden = true;
  part('confirm').hidden = true;
}

function showLink(link) {
  const { action, namespace, name, revision, image, stableImage, step, of, weight, expiresAt } = link;
  const effect =
    action === 'abort'
      ? 'All traffic returns to the stable revision.'
      : 'The delivery continues after this step.';
  show(TITLES[action], effect);
  const facts = [
    ['PcfApi', `${namespace}/${name}`],
    ['Revision', revision],
    ['Image', image],
    ['Stable image', stableImage],
    ['Step', `${step} of ${of}`],
    ['Weight', `${weight} %`],
    ['Link expires', expiresAt],
  ];
  part('facts').replaceChildren(
    ...facts.filter(([, value]) => value).flatMap(([term, value]) => [text('dt', term), text('dd', value)]),
  );
  part('facts').hidden = false;
  const button = part('confirm');
  button.textContent = LABELS[action];
  button.className = action;
  button.onclick = () => use(button);
  offer(button);
}

function offer(button) {
  button.disabled = false;
  button.hidden = false;
}

function text(tag, content) {
  const element = document.createElement(tag);
  element.textContent = content;
  return element;
}

async function send(path) {
  try {
    const response = await fetch(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ token }),
    });
    return await response.json();
  } catch {
    return {
      state: 'Failed',
      message: 'No response from the operator. Retry, or open the link from the notification again.',
    };
  }
}

async function use(button) {
  button.disabled = true;
  const { state, message } = await send('use');
  show(TITLES[state], message);
  if (state === 'Failed') offer(button);
}

async function readLink() {
  const link = await send('look');
  if (link.state === 'Open') return showLink(link);
  show(TITLES[link.state], link.message);
  if (link.state !== 'Failed') return;
  const button = part('confirm');
  button.textContent = 'Retry';
  button.onclick = () => {
    button.disabled = true;
    return readLink();
  };
  offer(button);
}

if (token) await readLink();
else show(TITLES.Wrong, 'Open the link from the notification again.');
