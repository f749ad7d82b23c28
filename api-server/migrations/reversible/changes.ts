/** The changes of a contract migration, as far as they can be reversed. Pure. */
import { commandsOf, type Tree, texts } from '../../migration-lint/ast.js';
import type { Statement } from '../../migration-lint/lint.js';
import { quoteName } from './hidden-names.js';

/** Kinds of objects that `ALTER ... SET SCHEMA` hides. */
export type MovedKind = 'TABLE' | 'VIEW' | 'MATERIALIZED VIEW' | 'SEQUENCE' | 'TYPE' | 'DOMAIN';
/** Kinds of routines, which are identified by their argument types. */
export type RoutineKind = 'FUNCTION' | 'PROCEDURE';

interface Dropped {
  /** `IF EXISTS`. */
  missingOk: boolean;
}

/** `table` and `name` are quoted SQL identifiers, with a schema if the statement has one. */
export type Change =
  | ({ kind: 'column'; table: string; column: string } & Dropped)
  | ({ kind: 'constraint'; table: string; name: string } & Dropped)
  | ({ kind: 'trigger'; table: string; name: string } & Dropped)
  | ({ kind: 'index'; name: string } & Dropped)
  | ({ kind: 'object'; type: MovedKind; name: string } & Dropped)
  | ({ kind: 'routine'; type: RoutineKind; statement: string } & Dropped)
  | { kind: 'not-null'; table: string; column: string }
  | { kind: 'drop-default'; table: string; column: string }
  | { kind: 'validate'; table: string; name: string };

/** The statements contain something that can't be reversed. */
export class IrreversibleError extends Error {
  override readonly name = 'IrreversibleError';
}

const MOVED: Record<string, MovedKind> = {
  OBJECT_TABLE: 'TABLE',
  OBJECT_VIEW: 'VIEW',
  OBJECT_MATVIEW: 'MATERIALIZED VIEW',
  OBJECT_SEQUENCE: 'SEQUENCE',
  OBJECT_TYPE: 'TYPE',
  OBJECT_DOMAIN: 'DOMAIN',
};
const ROUTINES: Record<string, RoutineKind> = {
  OBJECT_FUNCTION: 'FUNCTION',
  OBJECT_PROCEDURE: 'PROCEDURE',
};

/** Throws an {@link IrreversibleError} with the statement that has no reverse. */
export function changesOf(statements: readonly Statement[]): Change[] {
  return statements.flatMap((statement) => {
    if (statement.kind === 'DropStmt') return dropped(statement);
    if (statement.kind === 'AlterTableStmt') return altered(statement);
    throw irreversible(
      statement,
      'only drops, SET NOT NULL, DROP DEFAULT and VALIDATE CONSTRAINT are reversible',
    );
  });
}

function dropped(statement: Statement): Change[] {
  const { removeType, behavior, missing_ok: missingOk = false, objects = [] } = statement.body;
  if (behavior === 'DROP_CASCADE')
    throw irreversible(statement, 'CASCADE drops objects that it does not name');
  return objects.map((object: Tree): Change => {
    const parts = texts(object.List?.items ?? object.TypeName?.names);
    if (removeType === 'OBJECT_TRIGGER') {
      return { kind: 'trigger', table: quoteName(parts.slice(0, -1)), name: parts.at(-1) ?? '', missingOk };
    }
    if (removeType === 'OBJECT_INDEX') return { kind: 'index', name: quoteName(parts), missingOk };
    const moved = MOVED[removeType];
    if (moved) return { kind: 'object', type: moved, name: quoteName(parts), missingOk };
    const routine = ROUTINES[removeType];
    if (routine && objects.length === 1) {
      return { kind: 'routine', type: routine, statement: routineText(statement), missingOk };
    }
    throw irreversible(
      statement,
      routine ? 'use one statement per function' : 'this kind of object can not be hidden',
    );
  });
}

/** The name and the argument types of a dropped routine, as written in the statement. */
function routineText({ text }: Statement): string {
  return text
    .replace(/\/\*[\s\S]*?\*\/|--[^\n]*/g, ' ')
    .replace(/^\s*DROP\s+(FUNCTION|PROCEDURE)\s+(IF\s+EXISTS\s+)?/i, '')
    .replace(/;\s*$/, '')
    .replace(/\s+RESTRICT\s*$/i, '')
    .trim();
}

function altered(statement: Statement): Change[] {
  const { relation, objtype, missing_ok: isTableOptional } = statement.body;
  if (objtype !== 'OBJECT_TABLE' || !relation?.inh) {
    throw irreversible(statement, 'only ALTER TABLE, without ONLY, is reversible');
  }
  const table = quoteName([relation.schemaname, relation.relname].filter(Boolean));
  return commandsOf(statement.body).map((command): Change => {
    const { subtype, name, behavior, def } = command;
    const missingOk = Boolean(command.missing_ok || isTableOptional);
    if (behavior === 'DROP_CASCADE')
      throw irreversible(statement, 'CASCADE drops objects that it does not name');
    switch (subtype) {
      case 'AT_DropColumn':
        return { kind: 'column', table, column: name, missingOk };
      case 'AT_DropConstraint':
        return { kind: 'constraint', table, name, missingOk };
      case 'AT_SetNotNull':
        return { kind: 'not-null', table, column: name };
      case 'AT_ValidateConstraint':
        return { kind: 'validate', table, name };
      case 'AT_ColumnDefault':
        if (!def) return { kind: 'drop-default', table, column: name };
        throw irreversible(statement, 'the engine reverses DROP DEFAULT, not SET DEFAULT');
      default:
        throw irreversible(statement, 'only drops, SET NOT NULL and VALIDATE CONSTRAINT are reversible');
    }
  });
}

function irreversible({ text }: Statement, why: string): IrreversibleError {
  const line = text
    .replace(/--[^\n]*/g, '')
    .replace(/\s+/g, ' ')
    .trim();
  return new IrreversibleError(`${line.length > 80 ? `${line.slice(0, 79)}…` : line}: ${why}`);
}
