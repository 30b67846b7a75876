// A tenant's search index, in the table that partywall.create_search() makes among the tenant's own. Its statements are ordinary ones, behind
// the ordinary policies: what makes them fast is in full-text.ts.

import type { OpenTransaction } from '../core/open-transaction.ts'
import type { TenantContext } from '../core/tenant-context.ts'
import { ConfigurationError, InvalidInputError, WrongTenantError } from '../errors.ts'
import type {
  IndexedDocument,
  IndexHit,
  IndexQuery,
  PutOptions,
  SearchAttributes,
  SearchIndex,
  SearchIndexes,
  SearchWithin,
} from '../resources/search/search-index.ts'
import type { TenantHandle } from './tenant-handle.ts'

/** @see SearchIndexes */
export class PostgresSearchIndexes implements SearchIndexes {
  readonly #doors: { for(context: TenantContext): TenantHandle }

  /** @param doors a tenancy, or what opens a tenant's rows like one. */
  constructor(doors: { for(context: TenantContext): TenantHandle }) {
    this.#doors = doors
  }

  for(context: TenantContext): SearchIndex {
    return new PostgresSearchIndex(this.#doors.for(context))
  }
}

interface HitRow {
  readonly collection: string
  readonly id: string
  readonly title: string
  readonly snippet: string
  readonly attributes: SearchAttributes
  readonly rank: number
}

/** How many of the likest by chance are compared in earnest. */
const likeMax = 2_000

// A query is worked out once, as a sub-select: in its place in the text it would be worked out for each document.
const searchText = `
  with asked as (
    select case when $3::text is null then websearch_to_tsquery($2::regconfig, $4)
                when $4 = '' then to_tsquery('simple', $3)
                else websearch_to_tsquery($2::regconfig, $4) && to_tsquery('simple', $3) end as query
  ), found as (
    select d.collection, d.id, ts_rank_cd(d.words, (select a.query from asked as a), 1) as rank
      from search_documents as d
     where d.tenant_id = $1
       and d.words @@ (select a.query from asked as a)
       and ($5::text is null or d.collection = $5)
       and ($6::jsonb = '{}' or d.attributes @> $6::jsonb)
     order by rank desc, d.collection, d.id
     limit $7 offset $8
  )
  select f.collection, f.id, d.title, d.attributes, f.rank,
         ts_headline(d.language::regconfig, d.body, (select a.query from asked as a),
           'StartSel=' || chr(2) || ', StopSel=' || chr(3) || ', MaxFragments=2, MaxWords=24, MinWords=8, FragmentDelimiter=" … "') as snippet
    from found as f
    join search_documents as d on d.tenant_id = $1 and d.collection = f.collection and d.id = f.id
   order by f.rank desc, f.collection, f.id`

const similarText = `
  with likely as (
    select d.collection, d.id, d.title, d.attributes, d.grams
      from search_documents as d
     where d.tenant_id = $1
       and d.grams @@ $2::tsquery
       and ($3::text is null or d.collection = $3)
       and ($4::jsonb = '{}' or d.attributes @> $4::jsonb)
     limit ${likeMax}
  ), compared as (
    select l.*, (select count(*) from unnest(tsvector_to_array(l.grams)) as g where g = any ($5::text[]))::float8 as shared
      from likely as l
  )
  select c.collection, c.id, c.title, c.attributes, '' as snippet,
         (c.shared / (cardinality($5::text[]) + length(c.grams) - c.shared))::float4 as rank
    from compared as c
   where c.shared * 2 >= cardinality($5::text[])
   order by rank desc, c.collection, c.id
   limit $6`

class PostgresSearchIndex implements SearchIndex {
  readonly #handle: TenantHandle
  readonly #tenantId: string

  constructor(handle: TenantHandle) {
    this.#handle = handle
    this.#tenantId = handle.context.tenant.id
  }

  async put(documents: readonly IndexedDocument[], { collection, round, tx }: PutOptions): Promise<void> {
    await this.#rows(
      `insert into search_documents as d (tenant_id, collection, id, title, body, language, attributes, words, grams, round)
       select $1, $2, w.id, w.title, w.body, w.language, w.attributes,
              setweight(to_tsvector(w.language::regconfig, w.title), 'A') || to_tsvector(w.language::regconfig, w.body),
              array_to_tsvector(array(select jsonb_array_elements_text(w.grams))),
              coalesce($3::bigint, (select max(l.round) from search_documents as l where l.tenant_id = $1 and l.collection = $2), 0)
         from unnest($4::text[], $5::text[], $6::text[], $7::text[], $8::jsonb[], $9::jsonb[])
           as w (id, title, body, language, attributes, grams)
        order by w.id
           on conflict on constraint search_documents_pkey
           do update set title = excluded.title, body = excluded.body, language = excluded.language, attributes = excluded.attributes,
                         words = excluded.words, grams = excluded.grams, round = greatest(d.round, excluded.round), updated_at = now()`,
      [
        collection,
        round,
        documents.map(({ id }) => id),
        documents.map(({ title }) => title),
        documents.map(({ body }) => body),
        documents.map(({ language }) => language),
        documents.map(({ attributes }) => JSON.stringify(attributes)),
        documents.map(({ grams }) => JSON.stringify(grams)),
      ],
      tx,
    )
  }

  async remove(ids: readonly string[], { collection, tx }: PutOptions): Promise<number> {
    const rows = await this.#rows(
      'delete from search_documents as d where d.tenant_id = $1 and d.collection = $2 and d.id = any ($3::text[]) returning d.id',
      [collection, ids],
      tx,
    )
    return rows.length
  }

  async search({ text, prefix, language, collection, attributes, limit, offset }: IndexQuery): Promise<readonly IndexHit[]> {
    const begun = prefix === undefined ? undefined : `${quoted(prefix)}:*`
    return await this.#rows<HitRow>(searchText, [language, begun, text, collection, JSON.stringify(attributes), limit, offset])
  }

  async similar(grams: readonly string[], { collection, attributes, limit }: SearchWithin): Promise<readonly IndexHit[]> {
    const any = grams.map(quoted).join(' | ')
    return await this.#rows<HitRow>(similarText, [any, collection, JSON.stringify(attributes), grams, limit])
  }

  async round(collection: string): Promise<number> {
    const [row] = await this.#rows<{ readonly round: string | null }>(
      'select max(d.round) as round from search_documents as d where d.tenant_id = $1 and d.collection = $2',
      [collection],
    )
    return Number(row?.round ?? 0)
  }

  async sweep(collection: string, { before, limit }: { readonly before: number; readonly limit: number }): Promise<number> {
    const rows = await this.#rows(
      `delete from search_documents as d
        using (
          select s.id from search_documents as s where s.tenant_id = $1 and s.collection = $2 and s.round < $3 limit $4
        ) as stale
        where d.tenant_id = $1 and d.collection = $2 and d.id = stale.id
       returning d.id`,
      [collection, before, limit],
    )
    return rows.length
  }

  async #rows<Row>(text: string, values: readonly unknown[], tx?: OpenTransaction): Promise<readonly Row[]> {
    if (tx !== undefined && tx.context.tenant.id !== this.#tenantId) {
      throw new WrongTenantError(`The transaction is of tenant ${tx.context.tenant.id}, the search index of tenant ${this.#tenantId}.`)
    }
    try {
      return (await (tx ?? this.#handle).query<Row>(text, [this.#tenantId, ...values])).rows
    } catch (error) {
      throw explained(error)
    }
  }
}

/** The text of a word in a tsquery. */
function quoted(word: string): string {
  return `'${word.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`
}

function explained(error: unknown): unknown {
  switch ((error as { readonly code?: unknown }).code) {
    case '42P01':
      return new ConfigurationError(
        'There is no search index where the tenant lives. Write a migration: select partywall.create_search();',
        {
          cause: error,
        },
      )
    case '42704':
      return new InvalidInputError('PostgreSQL has no text search configuration of this name: select cfgname from pg_ts_config.', {
        cause: error,
      })
    case '54000':
      return new InvalidInputError('The document has more words than an index takes: index it in parts.', { cause: error })
    default:
      return error
  }
}
