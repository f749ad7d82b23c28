/** Records every mutation in the audit log: actor, action, arguments and outcome. */
import { GraphQLError, type GraphQLFieldResolver, type GraphQLSchema } from 'graphql';
import type { Identity } from '../auth/identity.js';
import { redactInput } from '../auth/redact-input.js';
import type { Role } from '../auth/roles.js';
import { type Companion, type CompanionWrite, withCompanion } from '../database/change.js';
import type { Bindings } from '../database/conditions.js';
import { CODES } from '../errors.js';
import { requestContext } from '../observability/logging/request-context.js';
import { toGlobalId } from './relay/global-id.js';
import { Node } from './relay/node.js';

export interface AuditEntry {
  actor: string;
  actorName: string;
  role: Role | null;
  action: string;
  /** Arguments with secrets redacted. */
  input: object;
  /** Global ID. */
  subject: string | null;
  outcome: 'SUCCEEDED' | 'FAILED' | 'DENIED';
  errorCode: string | null;
  requestId: string | null;
}

/** Inserts an audit event for the changed rows. `type` and the ID of the row are the subject. */
export type AuditStatement = (
  entry: Omit<AuditEntry, 'subject'>,
  rows: string,
  type: string,
  bindings: Bindings,
) => CompanionWrite;

/**
 * Resolves when the event is recorded. Never rejects: the mutation has taken effect, so its caller
 * must get the result.
 */
export type AuditRecorder = (entry: AuditEntry) => Promise<void>;

/**
 * Wraps the resolvers, so that it applies however the schema is executed. Call it after
 * `enforceAccess`, so that denied mutations are recorded as well. The statement of a change also
 * inserts its audit event (`inStatement`), so that no change commits without one. Mutations without
 * a change are recorded afterwards.
 */
export function auditMutations(
  schema: GraphQLSchema,
  record: AuditRecorder,
  inStatement?: AuditStatement,
): void {
  for (const field of Object.values(schema.getMutationType()?.getFields() ?? {})) {
    if (field.resolve) field.resolve = audited(field.name, field.resolve, record, inStatement);
  }
}

/** Runs an action that is not a mutation. The statement of its first change also inserts an audit event. */
export function withAuditedChange<T>(
  identity: Identity,
  action: string,
  input: object,
  inStatement: AuditStatement,
  work: () => T,
): T {
  const entry = { ...who(identity), action, input: redactInput(input) };
  const success = { ...entry, outcome: 'SUCCEEDED', errorCode: null } as const;
  return withCompanion(new AuditCompanion(success, inStatement), work);
}

type Resolver = GraphQLFieldResolver<unknown, { identity: Identity }>;

function audited(
  action: string,
  resolve: Resolver,
  record: AuditRecorder,
  inStatement?: AuditStatement,
): Resolver {
  return async (source, args, context, info) => {
    // Before the resolver runs, because it may modify its arguments.
    const entry = { ...who(context.identity), action, input: redactInput(args) };
    const success = { ...entry, outcome: 'SUCCEEDED', errorCode: null } as const;
    const companion = inStatement && new AuditCompanion(success, inStatement);
    const run = () => resolve(source, args, context, info);
    try {
      const result: unknown = await (companion ? withCompanion(companion, run) : run());
      if (!companion?.isWritten) await record({ ...success, subject: subjectOf(result) });
      return result;
    } catch (error) {
      const errorCode = codeOf(error);
      const outcome = errorCode === CODES.forbidden ? 'DENIED' : 'FAILED';
      await record({ ...entry, subject: idIn(args), outcome, errorCode });
      throw error;
    }
  };
}

class AuditCompanion implements Companion {
  isWritten = false;

  constructor(
    private readonly entry: Omit<AuditEntry, 'subject'>,
    private readonly inStatement: AuditStatement,
  ) {}

  write(changed: string, type: string, bindings: Bindings): CompanionWrite | undefined {
    return this.isWritten ? undefined : this.inStatement(this.entry, changed, type, bindings);
  }

  written(): void {
    this.isWritten = true;
  }
}

export function who({ id, name, role }: Pick<Identity, 'id' | 'name' | 'role'>) {
  return { actor: id, actorName: name, role, requestId: requestContext.getStore()?.requestId ?? null };
}

/** ID of the changed object: the result, or its first field that is a node. */
function subjectOf(result: unknown): string | null {
  if (typeof result !== 'object' || result === null) return null;
  const node = [result, ...Object.values(result)].find((value) => value instanceof Node);
  if (node) return toGlobalId(node.constructor.name, node.uuid);
  const { id } = result as { id?: unknown };
  return typeof id === 'string' ? id : null;
}

function idIn({ input }: { input?: { id?: unknown } }): string | null {
  return typeof input?.id === 'string' ? input.id.slice(0, 200) : null;
}

function codeOf(error: unknown): string {
  const code = error instanceof GraphQLError ? error.extensions.code : undefined;
  return typeof code === 'string' ? code : CODES.internal;
}
