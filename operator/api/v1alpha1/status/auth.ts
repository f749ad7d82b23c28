/** `status.auth`: the signing keys that the operator rotates. */
import { z } from 'zod';
import { shortText, time } from '../kubernetes.js';

const signingKey = z.strictObject({
  id: shortText.meta({ description: 'Key ID: the header `kid` of the tokens that it signs.' }),
  phase: z.enum(['Announced', 'Signing', 'Retired']).meta({
    description:
      '`Announced`: verifies tokens, and signs them after `until`. `Signing`: signs and verifies. `Retired`: verifies, and is removed after `until`.',
  }),
  since: time('Start of the phase.'),
  until: time('Planned end of the phase.'),
});

export const authStatus = z.strictObject({
  keys: z.array(signingKey).max(32).meta({
    description: 'Signing keys in the Secret of `auth.jwtSecretRef`. The first one signs.',
    'x-kubernetes-list-type': 'atomic',
  }),
});
