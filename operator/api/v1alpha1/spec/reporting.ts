/** Where the operator records its deliveries. */
import { z } from 'zod';
import { cel, dnsLabel, secretKeyRef } from '../kubernetes.js';
import { tlsClient, url } from './outgoing.js';

export const reporting = z
  .strictObject({
    url: url.meta({
      description: 'The GraphQL endpoint of a PCF API. It may be the one that this PcfApi runs.',
      examples: ['https://api.example.com/graphql'],
    }),
    apiKeySecretRef: secretKeyRef('an API key', 'api-key')
      .optional()
      .meta({
        description:
          'The Secret that holds an API key of the role OPERATOR with the scopes READ, CATALOG and DEPLOYMENTS. ' +
          'Left out: nothing is shown, which only an API in development takes.',
      }),
    service: dnsLabel.optional().meta({
      description:
        'Name of the service whose deployments these are. One that is not there is made. Default: the name of the PcfApi.',
    }),
    tls: tlsClient.optional().meta({ description: 'Whom to trust. Default: what the system trusts.' }),
  })
  .meta(
    cel({
      rule: "!has(self.apiKeySecretRef) || self.url.startsWith('https://')",
      message: 'url must be https: an API key is not sent in the clear',
      fieldPath: '.url',
    }),
  );
export type ReportingSpec = z.output<typeof reporting>;
