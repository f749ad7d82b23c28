import type Mocha from 'mocha';

/** Two cores are enough for three deliveries, which mostly wait. */
const CONCURRENCY = 3;

interface ConcurrentTest {
  work: () => Promise<void>;
  group: string | undefined;
  result: PromiseWithResolvers<void>;
}

interface Options {
  /** Tests of one group never run at the same time, for example those that kill the operator. */
  group?: string;
}

const suites = new WeakMap<Mocha.Suite, ConcurrentTests>();
let runner: Mocha.Runner | undefined;

/** Stores the runner, which selects tests by --grep. */
export function mochaGlobalSetup(this: Mocha.Runner): void {
  runner = this;
}

/**
 * An `it` whose test runs at the same time as the other tests of the suite that are declared with
 * it. Each needs its own namespace, and no beforeEach or afterEach hook runs for it alone.
 * Tests start in the order of declaration, and mocha reports them in that order: the reported
 * duration is the remaining wait time.
 */
export function itConcurrently(title: string, work: () => Promise<void>): Mocha.Test;
export function itConcurrently(title: string, options: Options, work: () => Promise<void>): Mocha.Test;
export function itConcurrently(
  title: string,
  ...[options, work]: [() => Promise<void>] | [Options, () => Promise<void>]
): Mocha.Test {
  const result = Promise.withResolvers<void>();
  result.promise.catch(() => undefined); // mocha handles it when it runs the test
  const declared = it(title, () => result.promise);
  const suite = declared.parent!;
  let tests = suites.get(suite);
  if (!tests) {
    tests = new ConcurrentTests();
    suites.set(suite, tests);
    const { start } = tests;
    suite.beforeAll(() => start(suite));
  }
  const { group } = typeof options === 'function' ? {} : options;
  tests.add(declared, { work: work ?? (options as () => Promise<void>), group, result });
  return declared;
}

class ConcurrentTests {
  readonly #declared = new Map<Mocha.Test, ConcurrentTest>();
  readonly #busyGroups = new Set<string>();
  #waiting: ConcurrentTest[] = [];
  #running = 0;

  add(declared: Mocha.Test, test: ConcurrentTest): void {
    this.#declared.set(declared, test);
  }

  /** Starts the tests that mocha will run; `suite.tests` lacks those that `only` excludes. */
  readonly start = (suite: Mocha.Suite): void => {
    this.#waiting = suite.tests.filter(isSelected).flatMap((test) => this.#declared.get(test) ?? []);
    this.#startNext();
  };

  #startNext(): void {
    for (const test of [...this.#waiting]) {
      if (this.#running === CONCURRENCY) return;
      if (test.group === undefined || !this.#busyGroups.has(test.group)) void this.#run(test);
    }
  }

  async #run(test: ConcurrentTest): Promise<void> {
    const { work, group, result } = test;
    this.#waiting = this.#waiting.filter((other) => other !== test);
    this.#running += 1;
    if (group !== undefined) this.#busyGroups.add(group);
    await work().then(result.resolve, result.reject);
    this.#running -= 1;
    if (group !== undefined) this.#busyGroups.delete(group);
    this.#startNext();
  }
}

/** Counted as mocha counts the tests of a suite. */
function isSelected(test: Mocha.Test): boolean {
  const alone = { eachTest: (count: (test: Mocha.Test) => void) => count(test) } as unknown as Mocha.Suite;
  return runner === undefined || runner.grepTotal(alone) === 1;
}
