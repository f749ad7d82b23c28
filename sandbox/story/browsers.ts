/** Users with browsers: each stores the cookie of a response and sends it with the next request. */
import type { Dispatcher } from 'undici';
import { HEADERS, PATHS } from '../../contract/image.js';

export interface Browser {
  cookie?: string;
  /** The revision that served its last request. */
  revision?: string;
}

const CONCURRENCY = 32;

export class Browsers {
  readonly all: Browser[];

  /** `origin` of the gateway, such as `https://127.0.0.1:8443`. */
  constructor(
    count: number,
    private readonly dispatcher: Dispatcher,
    private readonly origin: string,
    private readonly host: string,
  ) {
    this.all = Array.from({ length: count }, () => ({}));
  }

  /** One request per browser. Throws if one fails. */
  async visit(browsers: readonly Browser[] = this.all): Promise<void> {
    const queue = browsers.values();
    await Promise.all(
      Array.from({ length: CONCURRENCY }, async () => {
        for (const browser of queue) await this.request(browser);
      }),
    );
  }

  /** Percent of the browsers at a revision. */
  share(revision: string | undefined): number {
    return (100 * this.all.filter((browser) => browser.revision === revision).length) / this.all.length;
  }

  /** The browsers as they are now. */
  snapshot(): Browser[] {
    return structuredClone(this.all);
  }

  private async request(browser: Browser): Promise<void> {
    const headers = {
      host: this.host,
      ...(browser.cookie ? { cookie: `theme=dark; ${browser.cookie}` } : {}),
    };
    const request = { origin: this.origin, path: PATHS.live, method: 'GET' as const, headers };
    const response = await this.dispatcher.request(request);
    await response.body.dump();
    if (response.statusCode !== 200) throw new Error(`a browser got status ${response.statusCode}`);
    browser.revision = String(response.headers[HEADERS.revision]);
    const [cookie] = [response.headers['set-cookie'] ?? []].flat();
    if (cookie) browser.cookie = cookie.split(';')[0];
  }
}
