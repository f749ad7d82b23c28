import assert from 'node:assert/strict';
import { prefersPage, responseFormat, statusFor } from '../../../api-server/graphql/response-format.js';

const JSON_TYPE = 'application/json; charset=utf-8';
const GRAPHQL_TYPE = 'application/graphql-response+json; charset=utf-8';

describe('response format', () => {
  for (const [accept, contentType] of [
    [undefined, JSON_TYPE],
    ['', JSON_TYPE],
    ['*/*', JSON_TYPE],
    ['application/*', JSON_TYPE],
    ['APPLICATION/JSON', JSON_TYPE],
    ['application/json;charset=UTF-8', JSON_TYPE],
    ['text/html, application/json', JSON_TYPE],
    ['application/graphql-response+json', GRAPHQL_TYPE],
    ['application/graphql-response+json, application/json;q=0.9', GRAPHQL_TYPE],
    ['application/graphql-response+json;q=0.5, application/json', JSON_TYPE],
    ['application/json;q=0, */*', GRAPHQL_TYPE],
    ['application/json;q=0', undefined],
    ['application/json;q=0.0, application/graphql-response+json;q=0', undefined],
    ['application/jsonp', undefined],
    ['application/json-seq', undefined],
    ['*/*;q=0', undefined],
    ['text/html', undefined],
    ['nonsense', undefined],
  ] as const) {
    it(`Accept ${JSON.stringify(accept)} selects ${contentType ?? 'no media type'}`, () => {
      for (let time = 0; time < 2; time += 1) assert.equal(responseFormat(accept)?.contentType, contentType);
    });
  }

  for (const [accept, code, status] of [
    ['application/json', 'GRAPHQL_PARSE_FAILED', 200],
    ['application/json', 'GRAPHQL_VALIDATION_FAILED', 200],
    ['application/json', 'BAD_USER_INPUT', 200],
    ['application/json', 'QUERY_TOO_LARGE', 400],
    ['application/json', 'BAD_REQUEST', 400],
    ['application/graphql-response+json', 'GRAPHQL_PARSE_FAILED', 400],
    ['application/graphql-response+json, application/json', 'BAD_USER_INPUT', 400],
    ['*/*', 'GRAPHQL_VALIDATION_FAILED', 400],
    [undefined, 'BAD_USER_INPUT', 400],
  ] as const) {
    it(`Accept ${accept}: the status of ${code} is ${status}`, () => {
      const format = responseFormat(accept);
      assert.equal(format && statusFor(format, 400, code), status);
    });
  }

  for (const [accept, isPage] of [
    ['text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', true],
    ['text/html', true],
    ['application/json, text/html;q=0.9', false],
    ['*/*, text/html;q=0', false],
    ['*/*', false],
    [undefined, false],
  ] as const) {
    it(`Accept ${accept} ${isPage ? 'prefers' : 'does not prefer'} a page`, () => {
      assert.equal(prefersPage(accept), isPage);
    });
  }

  it('statusFor: does not change a status other than 400', () => {
    const format = responseFormat('application/json');
    assert.equal(format && statusFor(format, 503, 'SERVICE_UNAVAILABLE'), 503);
  });
});
