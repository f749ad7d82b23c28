/**
 * Ordered rules, each of which checks one thing (after cert-manager's policy chains). All verdicts of the operator are
 * made of them: aborts, what contract waits for, the Ready and the Degraded condition.
 */

/** The result of a rule that applies. */
export interface Finding<Reason extends string = string> {
  /** UpperCamelCase, for instance a {@link Reason}. */
  reason: Reason;
  message: string;
}

/** Undefined if the rule does not apply. */
export type Rule<Input, Result extends Finding = Finding> = (input: Input) => Result | undefined;

/** The finding of the first rule that applies. */
export function firstFinding<Input, Result extends Finding>(
  rules: readonly Rule<Input, Result>[],
  input: Input,
): Result | undefined {
  for (const rule of rules) {
    const finding = rule(input);
    if (finding) return finding;
  }
  return undefined;
}

/** The findings of all rules that apply, in order. */
export function allFindings<Input, Result extends Finding>(
  rules: readonly Rule<Input, Result>[],
  input: Input,
): Result[] {
  return rules.flatMap((rule) => rule(input) ?? []);
}
