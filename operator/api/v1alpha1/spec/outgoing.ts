/** Requests that the operator sends: URLs, credentials from Secrets, TLS. */
import { z } from 'zod';
import { cel, objectName, secretKeyRef } from '../kubernetes.js';

/** An http or https URL without user name and password: those belong in a Secret. */
export const url = z
  .string()
  .max(1024)
  .regex(/^https?:\/\/[^\s/@?#]+([/?][^\s#@]*)?$/);

export const tlsClient = z
  .strictObject({
    caSecretRef: secretKeyRef('the certificate authorities to trust, in PEM', 'ca.crt')
      .optional()
      .meta({ description: 'Certificate authorities that replace those of the system.' }),
    clientSecretName: objectName.optional().meta({
      description: 'Secret of type kubernetes.io/tls with the client certificate (mTLS).',
    }),
    insecureSkipVerify: z.boolean().default(false).meta({
      description: 'Disables the verification of the server certificate. For tests only.',
    }),
  })
  .meta(
    cel({
      rule: '!self.insecureSkipVerify || !has(self.caSecretRef)',
      message: 'insecureSkipVerify makes caSecretRef useless: set only one of them',
    }),
  );
export type TlsClient = z.output<typeof tlsClient>;

const basicAuth = z.strictObject({
  name: objectName.meta({ description: 'Name of the Secret, for example of type kubernetes.io/basic-auth.' }),
  usernameKey: z.string().min(1).max(253).default('username').meta({ description: 'Key of the user name.' }),
  passwordKey: z.string().min(1).max(253).default('password').meta({ description: 'Key of the password.' }),
});

export const credentials = z
  .strictObject({
    bearerSecretRef: secretKeyRef('the token', 'token')
      .optional()
      .meta({ description: 'Sends the token as `Authorization: Bearer`.' }),
    basicSecretRef: basicAuth
      .optional()
      .meta({ description: 'Sends user name and password as `Authorization: Basic`.' }),
  })
  .meta(
    cel({
      rule: 'has(self.bearerSecretRef) != has(self.basicSecretRef)',
      message: 'give either bearerSecretRef or basicSecretRef',
    }),
  );
export type Credentials = z.output<typeof credentials>;

/** Fields of every HTTP target whose URL is not a credential. */
export const httpTarget = {
  url,
  auth: credentials.optional().meta({ description: 'Credentials. Requires https.' }),
  tls: tlsClient
    .optional()
    .meta({ description: 'TLS settings. Default: the certificate authorities of the system.' }),
};

export const noCredentialInTheClear = {
  rule: "!has(self.auth) || self.url.startsWith('https://')",
  message: 'auth needs an https url: credentials are not sent in plain text',
  fieldPath: '.url',
};
