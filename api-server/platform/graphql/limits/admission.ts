/** Decides which documents are looked at at all. Those that were let in before are let in again. */
import { type DocumentNode, GraphQLError, parse } from 'graphql';
import { CODES } from '../errors.js';
import type { KnownDocuments } from '../execution/known-documents.js';
import type { Asked } from '../graphql-request.js';
import { type DocumentLimits, documentProblem } from './document-limits.js';
import type { TrustedDocuments } from './trusted-documents.js';

export interface AdmissionParts {
  documents: KnownDocuments;
  limits: DocumentLimits;
  maxTokens: number;
  trusted?: TrustedDocuments;
  /** Run nothing but trusted documents. */
  onlyTrusted: boolean;
}

export class Admission {
  constructor(private readonly parts: AdmissionParts) {}

  /** What was asked for, with the text where it is known by its hash; or why it is refused. */
  admit(asked: Asked): Asked | GraphQLError {
    const { trusted, onlyTrusted, documents } = this.parts;
    const { query, hash } = asked;
    if (query === undefined) {
      const text =
        hash && (trusted?.byHash(hash) ?? (onlyTrusted ? undefined : documents.byHash(hash)?.source));
      if (text) return { ...asked, query: text, isFound: true };
      return onlyTrusted && hash ? untrusted() : asked;
    }
    const admitted = onlyTrusted ? { ...asked, isFound: true } : asked;
    if (documents.bySource(query)) return admitted;
    if (onlyTrusted && !trusted?.has(query)) return untrusted();
    return this.problemOf(query) ?? admitted;
  }

  /** What can't be parsed has one, too: nothing continues that was not measured. */
  problemOf(query: string): GraphQLError | undefined {
    const document = this.parsed(query);
    return document instanceof GraphQLError ? document : documentProblem(document, this.parts.limits);
  }

  /** Once more, of a document that is about to be run for the first time, however it has come so far. */
  problemOfDocument(source: string, document: DocumentNode): GraphQLError | undefined {
    const { trusted, onlyTrusted, limits } = this.parts;
    if (onlyTrusted && !trusted?.has(source)) return untrusted();
    return documentProblem(document, limits);
  }

  parsed(query: string): DocumentNode | GraphQLError {
    try {
      return parse(query, { maxTokens: this.parts.maxTokens });
    } catch (error) {
      const { message, nodes, source, positions } = error as GraphQLError;
      return new GraphQLError(message, { nodes, source, positions, extensions: { code: CODES.unparsable } });
    }
  }
}

function untrusted(): GraphQLError {
  return new GraphQLError('this API accepts only trusted documents', {
    extensions: { code: CODES.untrusted },
  });
}
