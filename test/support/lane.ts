/**
 * An `it` for tests that mostly wait, each in a namespace of its own: lanes run at the same time,
 * the tests of one lane one after another. Each tells its own result; the time told is what was
 * left to wait for. With --grep, the others run, too, and nobody asks how they ended.
 */
export function lane(): (title: string, work: () => Promise<void>) => void {
  const tests: { work: () => Promise<void>; result: PromiseWithResolvers<void> }[] = [];
  before(() => {
    void runAll();
  });
  const runAll = async () => {
    for (const { work, result } of tests) {
      await work().then(result.resolve, result.reject);
    }
  };
  return (title, work) => {
    const result = Promise.withResolvers<void>();
    result.promise.catch(() => undefined); // whoever asks hears of it
    tests.push({ work, result });
    it(title, () => result.promise);
  };
}
