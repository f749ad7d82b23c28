/** An image whose webhook jobs have a version that older images cannot read. */
import type { JobPayloads } from '../../../contract/image.js';

const { JOB_PAYLOADS } = (await import(
  new URL('./api-server/jobs/payload-versions.js', import.meta.url).href
)) as { JOB_PAYLOADS: JobPayloads };
JOB_PAYLOADS['webhook-delivery'] = { writes: 2, readsFrom: 2, readsTo: 2 };

await import(new URL('./api-server/main.js', import.meta.url).href);
