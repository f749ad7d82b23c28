import { isUtf8 } from 'node:buffer';
import type { FastifyInstance } from 'fastify';

/** Fastify would replace invalid UTF-8 with replacement characters, and they would be stored. */
export function refuseInvalidUtf8(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error');
  app.removeContentTypeParser('application/json');
  app.addContentTypeParser<Buffer>('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    if (isUtf8(body)) return parse(request, body.toString('utf8'), done);
    done(
      Object.assign(new Error('the body is not valid UTF-8'), { statusCode: 400, code: 'BAD_USER_INPUT' }),
    );
  });
}
