/** Actions of the page: the same functions as the commands, with the same permissions. */
import { type ActionRequest } from '../../operator/dashboard/server.js';
import type { KubeClient } from '../../operator/runtime/kube-client.js';
import { Refusal } from '../../operator/runtime/refusal.js';
import { type Action, abort, promote, retry, setPaused, setWeight, undo } from '../actions.js';
import { CliError } from '../output.js';

export async function doAction(client: KubeClient, request: ActionRequest): Promise<string> {
  const action = actionOf(request);
  if (!action) throw new Refusal(400, `unknown action "${request.action}"`);
  try {
    const { done } = await action({ client, namespace: request.namespace }, request.name);
    return done;
  } catch (error) {
    if (error instanceof CliError) throw new Refusal(409, error.message);
    throw error;
  }
}

function actionOf({ action, weight, full = false }: ActionRequest): Action | undefined {
  switch (action) {
    case 'weight':
      return weight === undefined ? undefined : setWeight(weight);
    case 'pause':
      return setPaused(true);
    case 'resume':
      return setPaused(false);
    case 'promote':
      return promote(full);
    case 'abort':
      return abort;
    case 'retry':
      return retry;
    case 'undo':
      return undo();
    default:
      return undefined;
  }
}
