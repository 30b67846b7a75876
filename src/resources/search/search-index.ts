// The index of what can be searched of one tenant's: a port.

import type { OpenTransaction } from '../../core/open-transaction.ts'
import type { Json } from '../../core/tenant.ts'
import type { TenantContext } from '../../core/tenant-context.ts'

/** What a document has beside its text, to filter by. */
export type SearchAttributes = Readonly<Record<string, Json>>

/** A document as it is indexed. */
export interface IndexedDocument {
  readonly id: string
  readonly title: string
  readonly body: string
  /** A text search configuration: `english`, `simple`. */
  readonly language: string
  readonly attributes: SearchAttributes
  /** Threes of letters of the title, by which a misspelt word is found. */
  readonly grams: readonly string[]
}

/** Where is looked. */
export interface SearchWithin {
  readonly collection: string | undefined
  /** A document has all of these. */
  readonly attributes: SearchAttributes
  readonly limit: number
}

export interface IndexQuery extends SearchWithin {
  readonly text: string
  /** The last word, when it may be the beginning of one. */
  readonly prefix: string | undefined
  readonly language: string
  readonly offset: number
}

/** What was found. `snippet` has the matches between U+0002 and U+0003. */
export interface IndexHit {
  readonly collection: string
  readonly id: string
  readonly title: string
  readonly snippet: string
  readonly attributes: SearchAttributes
  readonly rank: number
}

export interface PutOptions {
  readonly collection: string
  /** Of the rebuilding that brings them; undefined: the latest of the collection. */
  readonly round?: number | undefined
  readonly tx?: OpenTransaction | undefined
}

export interface SearchIndex {
  put(documents: readonly IndexedDocument[], options: PutOptions): Promise<void>
  /** @returns how many there were. */
  remove(ids: readonly string[], options: PutOptions): Promise<number>
  /** By words, the best first. */
  search(query: IndexQuery): Promise<readonly IndexHit[]>
  /** By the likeness of titles, the likest first. */
  similar(grams: readonly string[], within: SearchWithin): Promise<readonly IndexHit[]>
  /** The latest rebuilding of a collection, 0 before the first. */
  round(collection: string): Promise<number>
  /** Takes away up to `limit` of what earlier rebuildings brought. @returns how many. */
  sweep(collection: string, options: { readonly before: number; readonly limit: number }): Promise<number>
}

/** Opens a tenant's index. */
export interface SearchIndexes {
  for(context: TenantContext): SearchIndex
}
