/** Admits documents by trust, size and validity. Each document is checked once, then it is known. */
import {
  type DocumentNode,
  GraphQLError,
  type GraphQLSchema,
  NoSchemaIntrospectionCustomRule,
  parse,
  specifiedRules,
  validate,
} from 'graphql';
import { CODES } from '../../errors.js';
import type { KnownDocument, KnownDocuments } from '../execution/known-documents.js';
import type { Asked } from '../graphql-request.js';
import { type DocumentLimits, documentProblem } from './document-limits.js';
import { subscriptionRootProblem } from './subscription-root.js';
import type { TrustedDocuments } from './trusted-documents.js';

export interface AdmissionParts {
  schema: GraphQLSchema;
  /** Without it, errors do not suggest names either. */
  introspection: boolean;
  documents: KnownDocuments;
  limits: DocumentLimits;
  maxTokens: number;
  trusted?: TrustedDocuments;
  /** Reject all documents that are not trusted. */
  onlyTrusted: boolean;
}

export interface Admitted extends Asked {
  /** Undefined when the request has no text. Apollo looks up persisted queries and rejects the others. */
  document?: KnownDocument;
}

export interface Rejected {
  errors: readonly GraphQLError[];
}

const MAX_VALIDATION_ERRORS = 10;

export class Admission {
  constructor(private readonly parts: AdmissionParts) {}

  /** The request with its document, which it contains or references by hash. */
  admit(asked: Asked): Admitted | Rejected {
    const { onlyTrusted } = this.parts;
    const { query, hash } = asked;
    const found = query === undefined && hash ? this.#textOf(hash) : undefined;
    const text = query ?? found;
    if (text === undefined) return onlyTrusted && hash ? untrusted() : asked;
    const document = this.document(text);
    if ('errors' in document) return document;
    const isFound = onlyTrusted || found !== undefined;
    return { ...asked, query: text, document, ...(isFound && { isFound }) };
  }

  /** The known document with this text. An unknown one is parsed, measured and validated. */
  document(text: string): KnownDocument | Rejected {
    const { documents, trusted, onlyTrusted, limits } = this.parts;
    const known = documents.bySource(text);
    if (known) return known;
    if (onlyTrusted && !trusted?.has(text)) return untrusted();
    const document = this.#parsed(text);
    if (document instanceof GraphQLError) return { errors: [document] };
    // Before the validation, whose time can grow quadratically.
    const problem = documentProblem(document, limits) ?? subscriptionRootProblem(document);
    if (problem) return { errors: [problem] };
    const errors = this.#validationErrors(document);
    return errors.length > 0 ? { errors } : documents.add(text, document);
  }

  #textOf(hash: string): string | undefined {
    const { trusted, onlyTrusted, documents } = this.parts;
    return trusted?.byHash(hash) ?? (onlyTrusted ? undefined : documents.byHash(hash)?.source);
  }

  #parsed(text: string): DocumentNode | GraphQLError {
    try {
      return parse(text, { maxTokens: this.parts.maxTokens });
    } catch (error) {
      const { message, nodes, source, positions } = error as GraphQLError;
      return new GraphQLError(message, { nodes, source, positions, extensions: { code: CODES.unparsable } });
    }
  }

  #validationErrors(document: DocumentNode): GraphQLError[] {
    const { schema, introspection } = this.parts;
    const rules = introspection ? specifiedRules : [...specifiedRules, NoSchemaIntrospectionCustomRule];
    const options = { maxErrors: MAX_VALIDATION_ERRORS, hideSuggestions: !introspection };
    return validate(schema, document, rules, options).map(
      ({ message, nodes, originalError }) =>
        new GraphQLError(message, { nodes, originalError, extensions: { code: CODES.invalid } }),
    );
  }
}

function untrusted(): Rejected {
  const message = 'this API accepts only trusted documents';
  return { errors: [new GraphQLError(message, { extensions: { code: CODES.untrusted } })] };
}
