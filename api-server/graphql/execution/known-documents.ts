/** Cache of validated documents with their prepared operations. Its size is bounded. */
import { createHash } from 'node:crypto';
import type { DocumentNode, GraphQLSchema } from 'graphql';
import { LRUCache } from 'lru-cache';
import { OperationCost } from '../admission/operation-cost.js';
import { cacheSecondsOf } from '../cache/cacheable.js';
import type { OperationUse } from '../usage/operation-use.js';
import { PreparedOperation } from './prepared-operation.js';

export interface KnownOperation {
  prepared: PreparedOperation;
  cost: OperationCost;
  documentHash: string;
  /** Maximum age of a cached response in seconds; 0 when it is not cacheable. */
  cacheSeconds: number;
  /** Tables that the operation reads; known after its first execution. */
  tables?: readonly string[];
  /** Its uses of the schema; known after its first execution. */
  use?: OperationUse;
}

export interface KnownDocument {
  source: string;
  /** SHA-256 hash of the source, by which clients reference the document. */
  hash: string;
  document: DocumentNode;
  /** Operations by name. */
  operations: Map<string | undefined, KnownOperation>;
}

/** Size of an entry in addition to its text. */
const OVERHEAD = 500;

export class KnownDocuments {
  readonly #bySource: LRUCache<string, KnownDocument>;
  readonly #byHash = new Map<string, KnownDocument>();

  /**
   * @param maxText total size of the documents in characters; an entry needs about a hundred times
   * as many bytes
   */
  constructor(
    private readonly schema: GraphQLSchema,
    private readonly options: { maxText: number; hideSuggestions: boolean },
  ) {
    this.#bySource = new LRUCache({
      maxSize: options.maxText,
      sizeCalculation: ({ source }) => source.length + OVERHEAD,
      dispose: ({ hash }) => this.#byHash.delete(hash),
    });
  }

  bySource(source: string): KnownDocument | undefined {
    return this.#bySource.get(source);
  }

  byHash(hash: string): KnownDocument | undefined {
    const known = this.#byHash.get(hash);
    return known && this.#bySource.get(known.source);
  }

  /** The document must be valid and within the limits. */
  add(source: string, document: DocumentNode): KnownDocument {
    const known = this.#bySource.get(source);
    if (known) return known;
    const added = { source, hash: sha256(source), document, operations: new Map() };
    this.#bySource.set(source, added);
    if (this.#bySource.has(source)) this.#byHash.set(added.hash, added);
    return added;
  }

  /** Undefined when the document has no such operation. */
  operation(known: KnownDocument, name: string | undefined): KnownOperation | undefined {
    const { operations } = known;
    const operation = operations.get(name) ?? this.#operation(known, name);
    // Unknown names are not cached, because clients choose them.
    if (operation) operations.set(name, operation);
    return operation;
  }

  #operation({ document, hash }: KnownDocument, name: string | undefined): KnownOperation | undefined {
    const { hideSuggestions } = this.options;
    const prepared = PreparedOperation.of(this.schema, document, name, { hideSuggestions });
    if (!prepared) return undefined;
    return {
      prepared,
      cost: new OperationCost(this.schema, prepared.definition, prepared.fragments),
      documentHash: hash,
      cacheSeconds: cacheSecondsOf(this.schema, document, prepared.definition),
    };
  }
}

export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
