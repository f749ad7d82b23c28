/** Puts every mutation on record: who, what, with which arguments, and how it ended. */
import { GraphQLError, type GraphQLFieldResolver, type GraphQLSchema } from 'graphql';
import { type Companion, withCompanion } from '../database/change.js';
import type { Bindings } from '../database/conditions.js';
import { CODES } from '../graphql/errors.js';
import { toGlobalId } from '../graphql/relay/global-id.js';
import { Node } from '../graphql/relay/node.js';
import { requestContext } from '../logging/request-context.js';
import type { Identity } from './identity.js';
import { redactInput } from './redact-input.js';
import type { Role } from './roles.js';

export interface AuditEntry {
  actor: string;
  actorName: string;
  role: Role | null;
  action: string;
  /** Without secrets. */
  input: object;
  /** Global id. */
  subject: string | null;
  outcome: 'SUCCEEDED' | 'FAILED' | 'DENIED';
  errorCode: string | null;
  requestId: string | null;
}

/**
 * A part of a WITH that puts an entry on record for the rows of another part, which are of a type
 * and have an id: the entry's subject.
 */
export type AuditStatement = (
  entry: Omit<AuditEntry, 'subject'>,
  rows: string,
  type: string,
  bindings: Bindings,
) => string;

/** Resolves when it is on record. Never rejects: what was done is done, and its caller must hear of it. */
export type AuditRecorder = (entry: AuditEntry) => Promise<void>;

/**
 * In the resolvers rather than in the server, so that it holds whoever executes the schema.
 * To be called after the access rules are in force: what they refuse is on record, too.
 * What a mutation changes is put on record by the statement of the change (`inStatement`), so that
 * there is no change without its entry; what it changes nothing by, afterwards.
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

type Resolver = GraphQLFieldResolver<unknown, { identity: Identity }>;

function audited(
  action: string,
  resolve: Resolver,
  record: AuditRecorder,
  inStatement?: AuditStatement,
): Resolver {
  return async (source, args, context, info) => {
    // Before it runs: a resolver may change what it is given.
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

  sql(changed: string, type: string, bindings: Bindings): string | undefined {
    return this.isWritten ? undefined : this.inStatement(this.entry, changed, type, bindings);
  }

  written(): void {
    this.isWritten = true;
  }
}

export function who({ id, name, role }: Pick<Identity, 'id' | 'name' | 'role'>) {
  return { actor: id, actorName: name, role, requestId: requestContext.getStore()?.requestId ?? null };
}

/** What was changed: the answer itself, or the first thing in it. */
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
