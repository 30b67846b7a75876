// A full-text search of a tenant with 300,000 documents, beside others' 60,000 in the same table: behind the wall, over the same statement
// by a role for whom no policy holds. And as it is behind policies when PostgreSQL does not know that `@@` is harmless.

import pg from 'pg'
import { createTenancy, type Tenancy } from '../src/index.ts'
import { markFullText } from '../src/postgres/full-text.ts'
import type { BenchDatabase } from './database.ts'
import { quantile, quartiles } from './quartiles.ts'
import type { BenchmarkResult, RunOptions } from './rounds.ts'

const large = 300_000
const small = 60_000
const roundsMax = 5
const callsPerRound = 8

/** In how many of the large tenant's documents they are: about 30, 1,000 and both of two. */
const questions = { rare: 'w19990', common: 'w12000', 'two words': 'w40 & w9000' }

const text = `select d.id, ts_rank(d.words, to_tsquery('simple', $2)) as rank from search_documents as d
               where d.tenant_id = $1 and d.words @@ to_tsquery('simple', $2) order by rank desc limit 20`

export async function search({ site, superuser }: BenchDatabase, options: RunOptions): Promise<BenchmarkResult> {
  const [big, ...others] = site.tenantIds as [string, ...string[]]
  await superuser.query(`
    set role partywall_owner;
    set search_path = app;
    select partywall.create_search();
    reset role;
    reset search_path`)
  const words = `(select string_agg('w' || (random() * random() * 20000)::int, ' ') from generate_series(1, 40) where g > 0)`
  const fill = `insert into app.search_documents (tenant_id, collection, id, title, body, language, attributes, words, grams, round)
    select ($1::uuid[])[1 + g % cardinality($1::uuid[])], 'documents', g::text, 'Title ' || g, '', 'simple', '{}', to_tsvector('simple', ${words}), '', 0
      from generate_series(1, $2::int) as g`
  await superuser.query(fill, [[big], large])
  await superuser.query(fill, [others.slice(0, 900), small])
  await superuser.query('vacuum analyze app.search_documents')
  const ratios: Record<string, number[]> = {}
  const raw = new pg.Client({ connectionString: site.superuserUrl })
  await raw.connect()
  await raw.query('set search_path = app')
  const compare = async (suffix: string, rounds: number): Promise<void> => {
    const tenancy = await createTenancy({ catalog: site.urls.gatekeeper, database: site.urls.app })
    try {
      for (let round = 0; round < rounds; round++) {
        for (const [name, question] of Object.entries(questions)) {
          const rawMs = await timed(() => raw.query({ name: 'search', text, values: [big, question] }))
          const sealedMs = await timedIn(tenancy, big, question)
          const key = `sealed/raw ${name}${suffix}`
          ratios[key] = [...(ratios[key] ?? []), sealedMs / rawMs]
        }
      }
    } finally {
      await tenancy.close()
    }
  }
  try {
    await compare('', Math.min(options.rounds, roundsMax))
    await superuser.query(markFullText.replaceAll(' leakproof', ' not leakproof'))
    await compare(', not leakproof', 1)
    await superuser.query(markFullText)
  } finally {
    await raw.end()
  }
  return {
    benchmark: 'search',
    ratios: Object.fromEntries(Object.entries(ratios).map(([name, values]) => [name, quartiles(values)])),
    notes: [`a tenant of ${large} documents, ${small} of 900 others beside them`],
  }
}

/** The median of some calls, in milliseconds. */
async function timed(call: () => Promise<unknown>): Promise<number> {
  const times: number[] = []
  await call()
  for (let i = 0; i < callsPerRound; i++) {
    const startedAt = performance.now()
    await call()
    times.push(performance.now() - startedAt)
  }
  return quantile(times, 0.5)
}

async function timedIn(tenancy: Tenancy, tenantId: string, question: string): Promise<number> {
  return await tenancy.run(tenantId, () => timed(() => tenancy.query(text, [tenantId, question])))
}
