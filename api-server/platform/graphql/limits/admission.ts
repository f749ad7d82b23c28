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

  /** Undefined, too, for what is no GraphQL: whoever parses it next says so. */
  problemOf(query: string): GraphQLError | undefined {
    const document = this.#parsed(query);
    return document && documentProblem(document, this.parts.limits);
  }

  #parsed(query: string): DocumentNode | undefined {
    try {
      return parse(query, { maxTokens: this.parts.maxTokens, noLocation: true });
    } catch {
      return undefined;
    }
  }
}

function untrusted(): GraphQLError {
  return new GraphQLError('this API runs only documents that it knows; this is none of them', {
    extensions: { code: CODES.untrusted },
  });
}
