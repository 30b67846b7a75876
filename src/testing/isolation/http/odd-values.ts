// Values that nobody expects, always the same ones, so that a run can be repeated.

type Odd<Value> = readonly (readonly [id: string, words: string, value: Value])[]

const long = 'x'.repeat(4_000)

/** In place of an id. */
export const oddIds: Odd<(id: string) => string> = [
  ['true', 'SQL that is always true', (id) => `${id}' or true --`],
  ['union', 'SQL with a UNION', (id) => `${id}' union select * from pg_catalog.pg_class --`],
  ['stacked', 'SQL with a second statement', (id) => `${id}'; select pg_sleep(0); --`],
  ['star', 'a star', () => '*'],
  ['percent', 'a percent sign', () => '%'],
  ['null', 'the word null', () => 'null'],
  ['undefined', 'the word undefined', () => 'undefined'],
  ['zero', 'zero', () => '0'],
  ['negative', 'negative', () => '-1'],
  ['huge', 'a number too large', () => '99999999999999999999'],
  ['list', 'a list', (id) => `${id},${id}`],
  ['json', 'JSON', (id) => JSON.stringify({ $ne: id })],
  ['array', 'an array', (id) => JSON.stringify([id])],
  ['proto', '__proto__', () => '__proto__'],
  ['constructor', 'constructor', () => 'constructor'],
  ['long', 'very long', () => long],
  ['wide', 'not ASCII', (id) => [...id].map((c) => String.fromCodePoint((c.codePointAt(0) ?? 0) + 0xfee0)).join('')],
  ['nul', 'with a NUL', (id) => `${id}\0`],
  ['newline', 'with a line break', (id) => `${id}\r\nx-tenant-id: x`],
  ['traversal', 'a path upwards', () => '../../../etc/passwd'],
]

/** In place of a value. */
export const oddValues: Odd<unknown> = [
  ['null', 'null', null],
  ['empty', 'an empty text', ''],
  ['number', 'a number', 42],
  ['huge', 'a number too large', 1e308],
  ['negative', 'a negative number', -1],
  ['boolean', 'true', true],
  ['array', 'an array', []],
  ['nested', 'arrays in arrays', [[[[]]]]],
  ['object', 'an object', {}],
  ['operator', 'an operator of another database', { $gt: '' }],
  ['sql', 'SQL', `' or true --`],
  ['nul', 'a NUL', 'a\0b'],
  ['surrogate', 'half a character', '\ud800'],
  ['long', 'a long text', long],
  ['pattern', 'a pattern that takes long', `${'a'.repeat(60)}!`],
]
