// Search as a tenant's code sees it. There is no unscoped one: a handle is made for one context, and its index is among that tenant's rows.

import type { OpenTransaction } from '../../core/open-transaction.ts'
import type { TenantContext } from '../../core/tenant-context.ts'
import { InvalidInputError } from '../../errors.ts'
import type { IndexedDocument, IndexHit, SearchAttributes, SearchIndex, SearchIndexes } from './search-index.ts'

/** A document to be found. */
export interface SearchDocument {
  /** The application's own, unique in its collection. At most 300 characters. */
  readonly id: string
  /** Counts for more than the body. At most 1,000 characters. */
  readonly title: string
  /** At most 500,000 characters. */
  readonly body?: string | undefined
  /** A text search configuration of PostgreSQL's, e.g. `english`, `german`. Default `simple`, which knows no grammar. */
  readonly language?: string | undefined
  /** To filter by. At most 10,000 characters of JSON. */
  readonly attributes?: SearchAttributes | undefined
}

export interface SearchOptions {
  /** Default: all. */
  readonly collection?: string | undefined
  /** Of the words that are asked for. Default `simple`. */
  readonly language?: string | undefined
  /** Only documents that have all of these: `{ state: 'open' }`. */
  readonly attributes?: SearchAttributes | undefined
  /** 1 to 100, default 20. */
  readonly limit?: number | undefined
  /** 0 to 10,000, default 0. */
  readonly offset?: number | undefined
  /** The last word may be the beginning of one: for whoever is still typing. Default false. */
  readonly isPrefix?: boolean | undefined
}

/** A piece of text, for a page to show. It is text: escape it. */
export interface SnippetPart {
  readonly text: string
  readonly isMatch: boolean
}

export interface SearchHit {
  readonly collection: string
  readonly id: string
  readonly title: string
  readonly snippet: readonly SnippetPart[]
  readonly attributes: SearchAttributes
  /** Higher is better. Compare it with others of the same answer only. */
  readonly rank: number
}

export interface SearchAnswer {
  readonly hits: readonly SearchHit[]
  /** No document has these words: these have titles that look like them. */
  readonly areSimilar: boolean
}

export interface RebuildProgress {
  readonly put: number
  readonly removed: number
}

/** The search of one tenant. */
export interface TenantSearch {
  /** Indexes documents, or indexes them anew. In a transaction they are found when it commits. @throws {InvalidInputError} */
  put(
    collection: string,
    documents: SearchDocument | readonly SearchDocument[],
    options?: { readonly tx?: OpenTransaction | undefined },
  ): Promise<void>
  /** @returns how many of them there were. */
  remove(collection: string, ids: string | readonly string[], options?: { readonly tx?: OpenTransaction | undefined }): Promise<number>
  /**
   * The best documents for some words: all of them, `"a phrase"`, `or`, `-not`. When there are none, those whose titles look like it.
   *
   * @throws {InvalidInputError} for no words, too many, or bounds that cannot be.
   */
  search(text: string, options?: SearchOptions): Promise<SearchAnswer>
  /**
   * Indexes a collection anew while it is searched: what comes from `documents` replaces what there is, piece by piece, and what did not come
   * is taken away at the end. What is put meanwhile stays.
   */
  rebuild(
    collection: string,
    documents: AsyncIterable<SearchDocument> | Iterable<SearchDocument>,
    options?: { readonly onProgress?: ((progress: RebuildProgress) => void) | undefined; readonly signal?: AbortSignal | undefined },
  ): Promise<RebuildProgress>
}

const textMax = 1_000
const titleMax = 1_000
const bodyMax = 500_000
const attributesMax = 10_000
const documentsMax = 1_000
const batch = 200
const wordPattern = /[\p{L}\p{N}]+/gu

/** Makes searches for tenants. */
export class SearchOfTenants {
  readonly #indexes: SearchIndexes

  constructor(indexes: SearchIndexes) {
    this.#indexes = indexes
  }

  /** The search of the context's tenant. The handle stays that tenant's, wherever it is taken. */
  for(context: TenantContext): TenantSearch {
    const index = this.#indexes.for(context)
    return Object.freeze<TenantSearch>({
      put: async (collection, documents, { tx } = {}) => {
        const all = Array.isArray(documents) ? documents : [documents as SearchDocument]
        if (all.length > documentsMax) throw new InvalidInputError(`${all.length} documents at once; it may be ${documentsMax}.`)
        if (all.length > 0) await index.put(indexed(all), { collection: checkedName(collection), tx })
      },
      remove: async (collection, ids, { tx } = {}) =>
        await index.remove(typeof ids === 'string' ? [ids] : ids, { collection: checkedName(collection), tx }),
      search: async (text, options = {}) => await search(index, text, options),
      rebuild: async (collection, documents, options = {}) => await rebuild(index, checkedName(collection), documents, options),
    })
  }
}

async function search(index: SearchIndex, text: string, options: SearchOptions): Promise<SearchAnswer> {
  if (typeof text !== 'string' || text.length > textMax) throw new InvalidInputError(`Ask for at most ${textMax} characters of text.`)
  const words = text.match(wordPattern) ?? []
  if (words.length === 0) throw new InvalidInputError('Ask for at least one word.')
  const { collection, language = 'simple', attributes = {}, limit = 20, offset = 0, isPrefix = false } = options
  assertBetween('limit', limit, 1, 100)
  assertBetween('offset', offset, 0, 10_000)
  if (collection !== undefined) checkedName(collection)
  const within = { collection, attributes: checkedAttributes(attributes), limit }
  // What was typed last, if it is a word by itself: the end of a phrase is not the beginning of anything.
  const prefix = isPrefix ? /(?:^|\s)([\p{L}\p{N}]+)$/u.exec(text)?.[1]?.toLowerCase() : undefined
  const rest = prefix === undefined ? text : text.slice(0, text.length - prefix.length)
  const found = await index.search({ ...within, text: rest.trim(), prefix, language: checkedLanguage(language), offset })
  if (found.length > 0 || offset > 0) return { hits: found.map(hitOf), areSimilar: false }
  const grams = gramsOf(text)
  const similar = grams.length === 0 ? [] : await index.similar(grams, within)
  return { hits: similar.map(hitOf), areSimilar: similar.length > 0 }
}

async function rebuild(
  index: SearchIndex,
  collection: string,
  documents: AsyncIterable<SearchDocument> | Iterable<SearchDocument>,
  {
    onProgress,
    signal,
  }: { readonly onProgress?: ((progress: RebuildProgress) => void) | undefined; readonly signal?: AbortSignal | undefined },
): Promise<RebuildProgress> {
  const round = (await index.round(collection)) + 1
  let put = 0
  let removed = 0
  let waiting: SearchDocument[] = []
  const flush = async (): Promise<void> => {
    signal?.throwIfAborted()
    if (waiting.length === 0) return
    await index.put(indexed(waiting), { collection, round })
    put += waiting.length
    waiting = []
    onProgress?.({ put, removed })
  }
  for await (const document of documents) {
    waiting.push(document)
    if (waiting.length >= batch) await flush()
  }
  await flush()
  for (;;) {
    signal?.throwIfAborted()
    const swept = await index.sweep(collection, { before: round, limit: batch })
    removed += swept
    if (swept === 0) return { put, removed }
    onProgress?.({ put, removed })
  }
}

/** The last one of an id counts: one statement writes each row once. */
function indexed(documents: readonly SearchDocument[]): readonly IndexedDocument[] {
  const byId = new Map<string, IndexedDocument>()
  for (const { id, title, body = '', language = 'simple', attributes = {} } of documents) {
    if (typeof id !== 'string' || id.length < 1 || id.length > 300)
      throw new InvalidInputError('The id of a document has 1 to 300 characters.')
    if (typeof title !== 'string' || title.length > titleMax) throw new InvalidInputError(`A title has at most ${titleMax} characters.`)
    if (typeof body !== 'string' || body.length > bodyMax) {
      throw new InvalidInputError(`A body has at most ${bodyMax} characters. Index what is longer in parts.`)
    }
    byId.set(id, {
      id,
      title: withoutControls(title),
      body: withoutControls(body),
      language: checkedLanguage(language),
      attributes: checkedAttributes(attributes),
      grams: gramsOf(title),
    })
  }
  return [...byId.values()]
}

/**
 * Threes of letters of each word, with its edges: `cat` has `␣␣c`, `␣ca`, `cat`, `at␣`, as pg_trgm has it
 * (https://www.postgresql.org/docs/current/pgtrgm.html).
 */
export function gramsOf(text: string): readonly string[] {
  const grams = new Set<string>()
  for (const word of text.toLowerCase().match(wordPattern) ?? []) {
    const letters = [...`__${word}_`]
    for (let i = 0; i + 3 <= letters.length; i++) grams.add(letters.slice(i, i + 3).join(''))
  }
  return [...grams]
}

function hitOf({ collection, id, title, snippet, attributes, rank }: IndexHit): SearchHit {
  const parts: SnippetPart[] = []
  for (const [index, piece] of snippet.split('\u0002').entries()) {
    const [first = '', rest] = index === 0 ? [piece, undefined] : piece.split('\u0003')
    if (first !== '') parts.push({ text: first, isMatch: index > 0 })
    if (rest !== undefined && rest !== '') parts.push({ text: rest, isMatch: false })
  }
  return { collection, id, title, snippet: parts, attributes, rank }
}

/** NUL is no text in PostgreSQL, and two others mark matches. No control character is a word. */
function withoutControls(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, ' ')
}

function checkedName(collection: string): string {
  if (typeof collection === 'string' && /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(collection)) return collection
  throw new InvalidInputError(`A collection cannot be named ${JSON.stringify(collection)}: 1 to 100 letters, digits, ".", "_" and "-".`)
}

function checkedLanguage(language: string): string {
  if (typeof language === 'string' && /^[a-z_][a-z0-9_]{0,62}$/.test(language)) return language
  throw new InvalidInputError(`${JSON.stringify(language)} is no text search configuration.`)
}

function checkedAttributes(attributes: SearchAttributes): SearchAttributes {
  const text: string | undefined = JSON.stringify(attributes)
  if (typeof attributes === 'object' && attributes !== null && !Array.isArray(attributes) && text.length <= attributesMax) return attributes
  throw new InvalidInputError(`Attributes are an object of at most ${attributesMax} characters of JSON.`)
}

function assertBetween(name: string, value: number, min: number, max: number): void {
  if (!Number.isSafeInteger(value) || value < min || value > max)
    throw new InvalidInputError(`${name} is ${value}; it must be ${min} to ${max}.`)
}
