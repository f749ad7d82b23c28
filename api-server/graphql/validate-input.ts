import { type ValidationError, validate } from 'class-validator';
import type { ResolverData } from 'type-graphql';
import { badUserInput, type FieldProblem } from '../errors.js';

/**
 * Sibling fields share their arguments, so they are validated once. The executor freezes shared
 * arguments.
 */
const validated = new WeakMap<object, unknown>();

/**
 * Validates an argument by its class-validator decorators. Mutations have one argument named
 * `input`, so that the path in the error is the one in the request.
 */
export async function validateInput(value: unknown, type: unknown, { args }: ResolverData): Promise<void> {
  if (typeof value !== 'object' || value === null || value instanceof Date) return;
  if (validated.get(args) === type) return;
  const errors = await validate(value, { skipMissingProperties: true, forbidUnknownValues: false });
  const problems = fieldProblems(errors, 'input' in args ? 'input.' : '');
  if (problems.length > 0) throw badUserInput(...problems);
  if (Object.isFrozen(args)) validated.set(args, type);
}

function fieldProblems(errors: ValidationError[], prefix: string): FieldProblem[] {
  return errors.flatMap(({ property, constraints, children }) => [
    ...Object.values(constraints ?? {}).map((message) => ({
      field: prefix + property,
      message: message.startsWith(`${property} `) ? message.slice(property.length + 1) : message,
    })),
    ...fieldProblems(children ?? [], `${prefix}${property}.`),
  ]);
}
