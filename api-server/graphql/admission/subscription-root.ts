/**
 * A subscription has exactly one root field, so @skip and @include cannot apply to it. graphql-js
 * evaluates them during validation, without variables, which fails. It is checked before validation.
 */
import {
  type DirectiveNode,
  type DocumentNode,
  type FragmentDefinitionNode,
  type GraphQLError,
  Kind,
  OperationTypeNode,
  type SelectionSetNode,
} from 'graphql';
import { badUserInput } from '../../errors.js';

/** The error of a subscription with a conditional root field; undefined for all other documents. */
export function subscriptionRootProblem({ definitions }: DocumentNode): GraphQLError | undefined {
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const one of definitions)
    if (one.kind === Kind.FRAGMENT_DEFINITION) fragments.set(one.name.value, one);
  for (const one of definitions) {
    if (one.kind !== Kind.OPERATION_DEFINITION || one.operation !== OperationTypeNode.SUBSCRIPTION) continue;
    const name = conditionIn(one.selectionSet, new Map(fragments));
    if (name) {
      return badUserInput({
        field: 'query',
        message: `@${name} cannot be used on the root field of a subscription`,
      });
    }
  }
  return undefined;
}

/** The first condition in these selections. Each fragment is visited once. */
function conditionIn(
  { selections }: SelectionSetNode,
  fragments: Map<string, FragmentDefinitionNode>,
): string | undefined {
  for (const selection of selections) {
    const condition = selection.directives?.find(isCondition);
    if (condition) return condition.name.value;
    if (selection.kind === Kind.FIELD) continue;
    const inner = selection.kind === Kind.INLINE_FRAGMENT ? selection : fragments.get(selection.name.value);
    if (selection.kind === Kind.FRAGMENT_SPREAD) fragments.delete(selection.name.value);
    const found = inner && conditionIn(inner.selectionSet, fragments);
    if (found) return found;
  }
  return undefined;
}

function isCondition({ name }: DirectiveNode): boolean {
  return name.value === 'skip' || name.value === 'include';
}
