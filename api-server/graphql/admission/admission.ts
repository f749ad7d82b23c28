/** Admits documents by trust and size. Known documents are admitted without a check. */
import { type DocumentNode, GraphQLError, parse } from 'graphql';
import { CODES } from '../../errors.js';
import type { KnownDocuments } from '../execution/known-documents.js';
import type { Asked } from '../graphql-request.js';
import { type DocumentLimits, documentProblem } from './document-limits.js';
import { subscriptionRootProblem } from './subscription-root.js';
import type { TrustedDocuments } from './trusted-documents.js';

export interface AdmissionParts {
  documents: KnownDocuments;
  limits: DocumentLimits;
  maxTokens: number;
  trusted?: TrustedDocuments;
  /** Reject all documents that are not trusted. */
  onlyTrusted: boolean;
}

export class Admission {
  constructor(private readonly parts: AdmissionParts) {}

  /** The request, with the text of a trusted document that it references by hash; or the error. */
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

  /** Also returns an error for a document that cannot be parsed, so that no document passes unchecked. */
  problemOf(query: string): GraphQLError | undefined {
    const document = this.parsed(query);
    return document instanceof GraphQLError ? document : this.#problemIn(document);
  }

  /** Checks again before a document is executed for the first time, independent of how it was received. */
  problemOfDocument(source: string, document: DocumentNode): GraphQLError | undefined {
    const { trusted, onlyTrusted } = this.parts;
    if (onlyTrusted && !trusted?.has(source)) return untrusted();
    return this.#problemIn(document);
  }

  #problemIn(document: DocumentNode): GraphQLError | undefined {
    return documentProblem(document, this.parts.limits) ?? subscriptionRootProblem(document);
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
