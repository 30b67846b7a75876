import { describe, test } from 'node:test'
import { leakproofFunction } from '../../../../src/postgres/doctor/checks/leakproof-function.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('leakproof-function finds', () => {
  test('a function that sees rows first', (t) =>
    provesCheck(t, leakproofFunction, {
      breaks: `create function app.peek(t text) returns boolean language sql leakproof as 'select true'`,
      object: 'app.peek(t text)',
    }))
})
