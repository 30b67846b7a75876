import { describe, test } from 'node:test'
import { fullTextReadsAll } from '../../../../src/postgres/doctor/checks/full-text-reads-all.ts'
import { provesCheck, soundTables } from '../../../support/doctor-stage.ts'

const unmarked = 'alter function pg_catalog.ts_match_vq(tsvector, tsquery) not leakproof'

describe('full-text-reads-all finds', () => {
  test('the table of search documents', (t) =>
    provesCheck(t, fullTextReadsAll, {
      before: 'set local search_path = app, pg_temp; select partywall.create_search()',
      breaks: unmarked,
      object: 'app.search_documents',
    }))

  test('an index of the application’s own', (t) =>
    provesCheck(t, fullTextReadsAll, {
      before: `${soundTables}; alter table app.notes add column words tsvector; create index notes_words_idx on app.notes using gist (words)`,
      breaks: unmarked,
      object: 'app.notes',
    }))

  test('one over an expression', (t) =>
    provesCheck(t, fullTextReadsAll, {
      before: `${soundTables}; create index notes_title_idx on app.notes using gin (to_tsvector('simple', title))`,
      breaks: unmarked,
      object: 'app.notes',
    }))
})
