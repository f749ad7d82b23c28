/** The buttons, and what is asked before the ones that move traffic. */

import { act } from './connection.js';
import { h } from './dom.js';

/** Which buttons make sense now. */
export function actionsView(detail) {
  const { delivering, paused, steps, failed } = detail;
  const waitsForPerson = steps?.stages.some(({ state, pause }) => state === 'now' && pause);
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
          value: detail.canaryWeight ?? detail.asked ?? 0,
        }),
        h('button', { type: 'submit' }, 'Set'),
      ),
    delivering && steps && button('promote', 'Promote', waitsForPerson),
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
    `Give the new revision ${weight} %?`,
    weight === 100
      ? `${name}: 100 promotes it.`
      : `${name}: spec.canaryWeight is in force instead of the steps, until it is taken out.`,
  ],
  promote: ({ name }) => ['Go on past this step?', `${name}: the next step begins.`],
  abort: ({ name }) => [
    'Abort this delivery?',
    `${name}: the stable revision gets the traffic back at once.`,
  ],
  undo: ({ name }) => [
    'Go back to the revision before?',
    `${name}: image, settings and all. With GitOps, revert it in Git too.`,
  ],
  retry: ({ name }) => ['Try the aborted revision again?', `${name}: its delivery begins again.`],
};

/** Asks where that is due, does it, and tells `said` what came of it. */
export async function perform(action, detail, weight, said) {
  const question = QUESTIONS[action]?.(detail, weight);
  if (question && !(await confirmed(...question, action))) return;
  const { namespace, name } = detail;
  try {
    said(
      `${name}: ${await act({ namespace, name, action, ...(weight === undefined ? {} : { weight }) })}`,
      false,
    );
  } catch (error) {
    said(`Not done: ${error.message}`, true);
  }
}

function confirmed(title, text, action) {
  const dialog = document.getElementById('confirm');
  document.getElementById('confirm-title').textContent = title;
  document.getElementById('confirm-text').textContent = text;
  const yes = document.getElementById('confirm-yes');
  yes.textContent = action === 'weight' ? 'Set it' : `${action[0].toUpperCase()}${action.slice(1)}`;
  yes.className = action === 'abort' ? 'danger' : 'primary';
  dialog.returnValue = 'no';
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), { once: true });
  });
}
