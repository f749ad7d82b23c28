import { request } from 'undici';

/** Whether a GET returns status 200. */
export async function answersOk(url: string): Promise<boolean> {
  const { statusCode, body } = await request(url);
  await body.dump();
  return statusCode === 200;
}
