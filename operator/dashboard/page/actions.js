/** Action buttons, and confirmations for those that change the traffic. */

import { act } from './connection.js';
import { h } from './dom.js';

/** Buttons that apply to the current state. */
export function actionsView(detail) {
  const { delivering, paused, steps, failed } = detail;
  const waitsForPromote = steps?.stages.some(({ state, pause }) => state === 'now' && pause);
  return h(
    'div',
    { class: 'actions', role: 'group', 'aria-label': 'Actions' },
    delivering &&
      h(
        'form',
        { class: 'weight', 'data-key': 'weight', 'data-act': 'weight' },
        h('label', { for: 'weight' }, 'Weight'),
        h('input', {
          ...{ id: 'weight', type: 'number', min: 0, max: 100, step: 1, required: true, 'data-own': true },
          value: detail.canaryWeight ?? detail.desired ?? 0,
        }),
        h('button', { type: 'submit' }, 'Set'),
      ),
    delivering && steps && button('promote', 'Promote', waitsForPromote),
    (delivering || paused) && (paused ? button('resume', 'Resume', true) : button('pause', 'Pause')),
    delivering && button('abort', 'Abort', false, true),
    failed && button('retry', 'Retry', true),
    (delivering || detail.history.length > 0) && button('undo', 'Undo'),
  );
}

function button(action, text, primary = false, danger = false) {
  const tone = danger ? 'danger' : primary ? 'primary' : undefined;
  return h('button', { type: 'button', class: tone, 'data-key': action, 'data-act': action }, text);
}

const QUESTIONS = {
  weight: ({ name }, weight) => [
    `Set the weight to ${weight} %?`,
    weight === 100
      ? `${name}: weight 100 promotes the new revision.`
      : `${name}: spec.canaryWeight overrides the steps until it is removed.`,
  ],
  promote: ({ name }) => ['Continue with the next step?', `${name}: the current step ends.`],
  abort: ({ name }) => [
    'Abort this delivery?',
    `${name}: all traffic returns to the stable revision immediately.`,
  ],
  undo: ({ name }) => [
    'Roll back to the previous revision?',
    `${name}: image and settings are reverted. With GitOps, revert the commit in Git too.`,
  ],
  retry: ({ name }) => ['Retry the aborted revision?', `${name}: its delivery starts again.`],
};

/** Performs the action, after a confirmation where one is required. `showResult` receives the outcome. */
export async function perform(action, detail, weight, showResult) {
  const question = QUESTIONS[action]?.(detail, weight);
  if (question && !(await confirmed(...question, action))) return;
  const { namespace, name } = detail;
  try {
    showResult(
      `${name}: ${await act({ namespace, name, action, ...(weight === undefined ? {} : { weight }) })}`,
      false,
    );
  } catch (error) {
    showResult(`Action failed: ${error.message}`, true);
  }
}

function confirmed(title, text, action) {
  const dialog = document.getElementById('confirm');
  document.getElementById('confirm-title').textContent = title;
  document.getElementById('confirm-text').textContent = text;
  const yes = document.getElementById('confirm-yes');
  yes.textContent = action === 'weight' ? 'Set' : `${action[0].toUpperCase()}${action.slice(1)}`;
  yes.className = action === 'abort' ? 'danger' : 'primary';
  dialog.returnValue = 'no';
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), { once: true });
  });
}
