/** The PCF API in which the operator records deliveries. */
import { z } from 'zod';
import { cel, dnsLabel, secretKeyRef } from '../kubernetes.js';
import { tlsClient, url } from './outgoing.js';

export const reporting = z
  .strictObject({
    url: url.meta({
      description: 'GraphQL endpoint of a PCF API. It can be the API that this PcfApi runs.',
      examples: ['https://api.example.com/graphql'],
    }),
    apiKeySecretRef: secretKeyRef('an API key', 'api-key')
      .optional()
      .meta({
        description:
          'Secret with an API key of the role OPERATOR with the scopes READ, CATALOG and DEPLOYMENTS. ' +
          'Unset: requests are anonymous, which only an API in development accepts.',
      }),
    service: dnsLabel.optional().meta({
      description:
        'Name of the service that the deployments belong to. It is created if it does not exist. Default: the name of the PcfApi.',
    }),
    tls: tlsClient
      .optional()
      .meta({ description: 'TLS settings. Default: the certificate authorities of the system.' }),
  })
  .meta(
    cel({
      rule: "!has(self.apiKeySecretRef) || self.url.startsWith('https://')",
      message: 'url must be https: an API key is not sent in plain text',
      fieldPath: '.url',
    }),
  );
export type ReportingSpec = z.output<typeof reporting>;
