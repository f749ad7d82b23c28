/** An image whose webhook jobs have a version that older images cannot read. */
import type { JobPayloads } from '../../../contract/image.js';

const payloads: { JOB_PAYLOADS: JobPayloads } = await import('#api-server/jobs/payload-versions.js');
payloads.JOB_PAYLOADS['webhook-delivery'] = { writes: 2, readsFrom: 2, readsTo: 2 };

await import('#api-server/main.js');
