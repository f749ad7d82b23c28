import { contractInvariants } from './contract.js';
import type { Invariants } from './moment.js';
import { podsInvariants } from './pods.js';
import { statusInvariants } from './status.js';
import { trafficInvariants } from './traffic.js';
import { windowsInvariants } from './windows.js';
import { workersInvariants } from './workers.js';

/** Invariants of every plan, after any history. */
export const invariants: Invariants = {
  ...trafficInvariants,
  ...podsInvariants,
  ...workersInvariants,
  ...contractInvariants,
  ...windowsInvariants,
  ...statusInvariants,
};
