// Full-text search behind policies. A policy is an obstacle to the planner: an operator whose function might tell what it sees (by an error,
// a notice) is not run on rows before the policies have said whose they are, and so no index is used for it. PostgreSQL's own `@@` of
// tsvector and tsquery does nothing but answer: it raises nothing that depends on the document, and writes nothing. It is not marked as such
// only because nobody has. With the mark a search of 300,000 documents takes what it takes without policies; without it, 16 to 25 times that.
//
// https://www.postgresql.org/docs/current/sql-createfunction.html (LEAKPROOF), .../rules-privileges.html

import type { ControlConnection } from './control-pool.ts'

/** `tsvector @@ tsquery` and its commutator. */
export const fullTextMatches = ['ts_match_vq(tsvector, tsquery)', 'ts_match_qv(tsquery, tsvector)'] as const

/** What marks them, for a superuser to run in each database that holds tenants. */
export const markFullText = fullTextMatches.map((signature) => `alter function pg_catalog.${signature} leakproof;`).join(' ')

/** Marks them in this database. Without a superuser nothing is done: searches are slower, and the doctor says so. */
export async function admitFullText(admin: ControlConnection): Promise<void> {
  await admin.query(`
    do $do$
    begin
      if exists (
        select from pg_catalog.pg_proc as p
         where p.oid in (${fullTextMatches.map((signature) => `'pg_catalog.${signature}'::regprocedure`).join(', ')}) and not p.proleakproof
      ) then
        ${markFullText}
      end if;
    exception when insufficient_privilege then null;
    end
    $do$`)
}
