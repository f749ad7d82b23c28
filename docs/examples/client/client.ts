/** A client of the API in one function: what is asked decides the type of what is answered. */
import type { TypedDocumentString } from './generated.js';

export interface Endpoint {
  url: string;
  /** A token or an API key. */
  token?: string;
}

/** Throws with the API's words when it is refused, or when the API is not what answers. */
export async function ask<Answer, Variables>(
  { url, token }: Endpoint,
  query: TypedDocumentString<Answer, Variables>,
  variables: Variables,
): Promise<Answer> {
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/graphql-response+json',
      ...(token ? { authorization: `Bearer ${token}` } : {}),
    },
    body: JSON.stringify({ query: query.toString(), variables }),
    signal: AbortSignal.timeout(20_000),
  });
  const { data, errors } = (await response.json().catch(() => ({}))) as {
    data?: Answer;
    errors?: { message: string; extensions?: { code?: string } }[];
  };
  const [first] = errors ?? [];
  if (first) throw new Error(`${first.extensions?.code}: ${first.message}`);
  if (!data) throw new Error(`${url} answered ${response.status}, and not as a GraphQL API does`);
  return data;
}
