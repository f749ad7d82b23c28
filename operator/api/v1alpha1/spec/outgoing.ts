/** Where the operator itself sends requests: addresses, credentials from Secrets, TLS. */
import { z } from 'zod';
import { cel, objectName, secretKeyRef } from '../kubernetes.js';

/** An http or https URL without a name and password in it: those belong in a Secret. */
export const url = z
  .string()
  .max(1024)
  .regex(/^https?:\/\/[^\s/@?#]+([/?][^\s#@]*)?$/);

export const tlsClient = z
  .strictObject({
    caSecretRef: secretKeyRef('the certificates to trust, in PEM', 'ca.crt')
      .optional()
      .meta({ description: "Certificates to trust in place of the system's." }),
    clientSecretName: objectName.optional().meta({
      description: 'A Secret of type kubernetes.io/tls with the certificate to show to the server.',
    }),
    insecureSkipVerify: z.boolean().default(false).meta({
      description: 'Takes any certificate, of whoever answers. For tests only.',
    }),
  })
  .meta(
    cel({
      rule: '!self.insecureSkipVerify || !has(self.caSecretRef)',
      message: 'insecureSkipVerify makes caSecretRef useless: give one of them',
    }),
  );
export type TlsClient = z.output<typeof tlsClient>;

const basicAuth = z.strictObject({
  name: objectName.meta({ description: 'Name of the Secret, such as one of type kubernetes.io/basic-auth.' }),
  usernameKey: z.string().min(1).max(253).default('username').meta({ description: 'Key of the user name.' }),
  passwordKey: z.string().min(1).max(253).default('password').meta({ description: 'Key of the password.' }),
});

export const credentials = z
  .strictObject({
    bearerSecretRef: secretKeyRef('the token', 'token')
      .optional()
      .meta({ description: 'Sends the token as `Authorization: Bearer`.' }),
    basicSecretRef: basicAuth.optional().meta({ description: 'Sends user name and password.' }),
  })
  .meta(
    cel({
      rule: 'has(self.bearerSecretRef) != has(self.basicSecretRef)',
      message: 'give either bearerSecretRef or basicSecretRef',
    }),
  );
export type Credentials = z.output<typeof credentials>;

/** Fields of every HTTP target whose address may stand in the clear. */
export const httpTarget = {
  url,
  auth: credentials.optional().meta({ description: 'How to sign in. Needs https.' }),
  tls: tlsClient.optional().meta({ description: 'Whom to trust. Default: what the system trusts.' }),
};

/** A credential that is sent in the clear is everybody's. */
export const noCredentialInTheClear = {
  rule: "!has(self.auth) || self.url.startsWith('https://')",
  message: 'auth needs an https url: credentials are not sent in the clear',
  fieldPath: '.url',
};
