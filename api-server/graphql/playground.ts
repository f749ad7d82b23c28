import { promisify } from 'node:util';
import { gzip } from 'node:zlib';

const DEFAULT_QUERY = `# What runs where, and since when. Ctrl-Enter runs the query.
query Services {
  services(first: 10) {
    totalCount
    edges {
      node {
        name
        deployments(first: 3) {
          edges { node { version status startedAt environment { name } } }
        }
      }
    }
  }
}
`;

let page: Promise<Buffer> | undefined;

/**
 * GraphiQL as one gzipped page without external resources, so it works without internet access. It
 * has several megabytes, so it is loaded on first use.
 */
export function playgroundPage(): Promise<Buffer> {
  page ??= render();
  return page;
}

async function render(): Promise<Buffer> {
  const { renderGraphiQL } = await import('@graphql-yoga/render-graphiql');
  const html = renderGraphiQL({ title: 'PCF API', defaultQuery: DEFAULT_QUERY, subscriptionsProtocol: 'WS' });
  return promisify(gzip)(html);
}
