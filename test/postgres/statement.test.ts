// What a statement is, judged by its text. Every hostile text below was believed by PostgreSQL to call set_config.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import pg from 'pg'
import { classify } from '../../src/postgres/statement.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'

const refused = { code: 'PW_STATEMENT_REFUSED' }

describe('queries pass:', () => {
  const readers = [
    'select 1',
    'SELECT 1',
    ' \n\t(select 1)',
    '/* a */ select 1 -- b',
    'values (1)',
    'table notes',
    'show server_version',
    'select count(*), max(number) from notes where id in (select id from notes)',
    '',
  ]
  for (const text of readers) {
    test(`${JSON.stringify(text)} only reads`, () => assert.deepEqual(classify(text), { kind: 'query', isReadOnly: true }))
  }
  const writers = [
    'insert into notes (title) values ($1)',
    'update notes set title = $1',
    'delete from notes',
    'merge into notes using folders on false when not matched then do nothing',
    'with gone as (delete from notes returning 1) select count(*) from gone',
    'select 1 as a into b',
    'select place_order(1)',
    'select app."Place Order" (1)',
  ]
  for (const text of writers) {
    test(`${text} may write`, () => assert.deepEqual(classify(text), { kind: 'query', isReadOnly: false }))
  }
  const harmless = [
    `select 'set_config(''a'', ''b'', false)'`,
    'select 1 -- set_config',
    'select 1 /* set_config /* nested */ set_config */',
    'select $$set_config$$, $tag$ set_config $$ $tag$',
    `select E'\\'set_config'`,
    'select "SET_CONFIG" from notes',
    'select set_configs, my_set_config from notes',
  ]
  for (const text of harmless) test(`${text} only mentions a name`, () => assert.equal(classify(text).kind, 'query'))
})

describe('what controls a transaction is told apart:', () => {
  const kinds: readonly [string, string][] = [
    ['begin', 'begin'],
    ['START TRANSACTION isolation level serializable', 'begin'],
    ['commit', 'commit'],
    ['end work', 'commit'],
    ['rollback', 'rollback'],
    ['abort', 'rollback'],
    ['savepoint a', 'savepoint'],
    ['release savepoint a', 'release'],
    ['rollback to savepoint a', 'rollback_to'],
    ['set transaction read only', 'set_transaction'],
  ]
  for (const [text, kind] of kinds) test(`${text} is ${kind}`, () => assert.equal(classify(text).kind, kind))
  for (const text of [
    "commit prepared 'a'",
    "rollback prepared 'a'",
    "prepare transaction 'a'",
    'commit and chain',
    'rollback and chain',
    "set transaction snapshot '1'",
    'set session characteristics as transaction read only',
  ]) {
    test(`${text} is refused`, () => assert.throws(() => classify(text), refused))
  }
})

describe('what would leave something behind, or pass by the wall, is refused:', () => {
  const texts = [
    "set partywall.capability = 'x'",
    "SeT/**/LoCaL partywall.capability = 'x'",
    'reset all',
    'discard all',
    'listen a',
    'unlisten *',
    'notify a',
    'declare c cursor with hold for select 1',
    'fetch c',
    'move c',
    'close c',
    'prepare a as select 1',
    'execute a',
    'deallocate all',
    'copy notes to stdout',
    'do $$ begin end $$',
    'call p()',
    'lock table notes',
    'explain analyze select 1',
    'truncate notes',
    "load 'x'",
    'create temp table notes ()',
    'alter role partywall_app superuser',
    'drop table notes',
    'grant all on notes to public',
    'vacuum',
    'reindex table notes',
    'security label on table notes is null',
    'import foreign schema a from server b into c',
    'refresh materialized view a',
    "comment on table notes is 'x'",
    'checkpoint',
    'cluster',
    'set role partywall_owner',
    'set session authorization postgres',
  ]
  for (const text of texts) test(text, () => assert.throws(() => classify(text), refused))
  const calls = [
    `select set_config('a.b', 'c', false)`,
    `select pg_catalog . "set_config" ('a.b', 'c', false)`,
    `with x as materialized (select Set_Config('a.b', 'c', true)) select * from x`,
    `update pg_settings set setting = '1' where name = 'statement_timeout'`,
    `update pg_catalog."pg_settings" set setting = '1'`,
    `select * from ts_stat('select to_tsvector(''a'')')`,
    `select ts_rewrite('a'::tsquery, 'select ''a''::tsquery, ''b''::tsquery')`,
    `select query_to_xml('select 1', true, false, '')`,
    `select pg_notify('a', 'b')`,
    'select pg_advisory_lock(1)',
    'select pg_try_advisory_lock(1)',
    'select pg_terminate_backend(1)',
    `select dblink('a', 'b')`,
    'select setseed(0.5)',
  ]
  for (const text of calls) test(text, () => assert.throws(() => classify(text), refused))
  test('a NUL character', () => assert.throws(() => classify('select 1\0'), refused))
})

describe('texts that PostgreSQL and a careless reader cut differently:', () => {
  let database: TestDatabase
  let client: pg.Client
  before(async () => {
    database = await testDatabase()
    client = new pg.Client({ connectionString: database.urls.app })
    await client.connect()
  })
  after(() => client.end())

  const call = "set_config('partywall.smuggled', 'yes', false)"
  const hostile: Readonly<Record<string, string>> = {
    'a comment that ends at a carriage return': `select 1 -- \r , ${call}`,
    'a name of characters beyond the first plane, which eats the dollars': `select 1 as \u{1F600}$$, ${call} as \u{1F600}$$`,
    'a dollar quote with such a tag': `select $\u{1F600}$ ' $\u{1F600}$, ${call} --'`,
    'an escape string that continues on the next line': `select E'a'\n'b\\'' , ${call} --'`,
    'an escape string that continues past a comment': `select E'a' -- c\n -- d\n 'b\\'' , ${call} --'`,
    'an escape string with a doubled quote': `select E'a''\\'' , ${call} --'`,
    'a nested comment': `select /* /* */ ' */ 1, ${call} /* ' */`,
    'a comment inside an operator': `select 1 +/* ' */ 1, ${call} --'`,
    'a dollar quote right behind a parameter': `select $$ ' $$, ${call} --'`,
    'a quoted name with a doubled quote': `select 1 as "a"" ' ", ${call} --'`,
    'a dollar inside a name': `select 1 as a$$, ${call} as b$$`,
    'a name in Unicode escapes': `select U&"set\\005fconfig"('partywall.smuggled', 'yes', false)`,
    'a name in Unicode escapes of another kind': `select u&"set!005fconfig" uescape '!' ('partywall.smuggled', 'yes', false)`,
  }
  for (const [name, text] of Object.entries(hostile)) {
    test(`${name} hides nothing`, async () => {
      assert.throws(() => classify(text), refused)
      // The danger is real: PostgreSQL does run the function (where the text is SQL for it at all).
      await client.query(`select set_config('partywall.smuggled', 'no', false)`)
      const ran = await client.query(text).then(
        () => true,
        (error: pg.DatabaseError) => error.code !== '42601' && assert.fail(error),
      )
      if (!ran) return
      const { rows } = await client.query<{ value: string }>(`select current_setting('partywall.smuggled') as value`)
      assert.equal(rows[0]?.value, 'yes')
    })
  }

  test('two statements in one text are refused by the protocol itself', async () => {
    await assert.rejects(client.query('select $1::int; select 2', [1]), { code: '42601' })
    await assert.rejects(client.query(`select 1; select ${call}, $1::int`, [1]), { code: '42601' })
  })
})
