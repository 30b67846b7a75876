// One client of one tenant: creates, reads, lists, searches, counts, changes and deletes, and looks at every answer.

import { randomInt, randomUUID } from 'node:crypto'
import { type Answer, exchange } from './exchange.ts'
import type { SoakState } from './soak.ts'
import type { SoakTenant } from './soak-tenant.ts'

/** Documents that a client keeps; beyond, it deletes. */
const documentsMax = 20
const hangUpsIn = 50
const markPattern = /mark-[0-9a-f]{12}/g

interface Step {
  readonly method: string
  readonly path: string
  readonly body?: unknown
  /** Statuses of a tenant that is served. */
  readonly expected: readonly number[]
  /** Called when it succeeded. */
  readonly done?: ((answer: Answer) => void) | undefined
  /** Called when nobody knows whether it succeeded. */
  readonly unknown?: (() => void) | undefined
}

/** Runs until the soak is over. */
export async function runClient(state: SoakState, tenant: SoakTenant): Promise<void> {
  const mine: string[] = []
  while (!state.isOver()) {
    const step = nextStep(state, tenant, mine)
    const outcome = tenant.expect()
    const hangUp = randomInt(hangUpsIn) === 0
    state.requests += 1
    let answer: Answer | undefined
    try {
      answer = await exchange(state, { ...step, apiKey: tenant.apiKey, hangUp })
    } catch (error) {
      step.unknown?.()
      state.violations.push(`${step.method} ${step.path}: the connection broke: ${(error as Error).message}`)
      continue
    }
    count(state, answer === undefined ? 'aborted' : `${step.method} ${answer.status}`)
    if (answer === undefined) {
      step.unknown?.()
      continue
    }
    judge(state, tenant, step, answer, outcome())
  }
}

function judge(state: SoakState, tenant: SoakTenant, step: Step, answer: Answer, expectation: 'served' | 'refused' | 'either'): void {
  const violate = (problem: string) =>
    state.violations.push(`${tenant.tenant.slug} ${step.method} ${step.path}: ${problem}: ${answer.status} ${answer.text.slice(0, 200)}`)
  const foreign = (answer.text.match(markPattern) ?? []).filter((mark) => mark !== tenant.mark)
  if (foreign.length > 0) violate('an answer with the mark of another tenant')
  const said = answer.headers['x-tenant-id']
  if (said !== undefined && said !== tenant.tenant.id) violate(`an answer for tenant ${String(said)}`)
  const isServed = step.expected.includes(answer.status)
  // A full queue is a typed refusal that the client may retry.
  const isBusy = answer.status === 429 || answer.status === 503
  const isRefused = answer.status === 403
  if (expectation === 'refused') {
    if (isRefused) state.refusedWhileSuspended += 1
    else if (!isBusy) violate('an answer for a suspended tenant')
  } else if (!(isServed || isBusy || (isRefused && expectation === 'either'))) violate('an unexpected answer')
  if (isServed) step.done?.(answer)
  else step.unknown?.()
}

const collection = '/api/documents'

function nextStep(state: SoakState, tenant: SoakTenant, mine: string[]): Step {
  const text = { title: `Title ${tenant.mark}`, content: `Content of ${tenant.mark}, ${randomUUID()}` }
  if (mine.length === 0 || (mine.length < documentsMax && randomInt(4) === 0)) {
    const done = (answer: Answer) => {
      const { id } = JSON.parse(answer.text) as { readonly id: string }
      mine.push(id)
      tenant.lastDocumentId = id
    }
    return { method: 'POST', path: collection, body: text, expected: [201], done }
  }
  const at = randomInt(mine.length)
  const path = `${collection}/${mine[at]}`
  const forget = () => void mine.splice(mine.indexOf(path.slice(collection.length + 1)), 1)
  switch (randomInt(mine.length >= documentsMax ? 8 : 12)) {
    case 0:
    case 1:
      return { method: 'DELETE', path, expected: [204], done: forget, unknown: forget }
    case 2:
      return { method: 'PATCH', path, body: text, expected: [200] }
    case 3:
      return { method: 'GET', path: `${collection}?limit=50`, expected: [200] }
    case 4:
      return { method: 'GET', path: `${collection}?q=${tenant.mark}`, expected: [200] }
    case 5:
      // Every text of every tenant has this word: without the wall the answer would be full of other marks.
      return { method: 'GET', path: `${collection}?q=title&limit=100`, expected: [200] }
    case 6:
      return { method: 'GET', path: `${collection}/count`, expected: [200] }
    case 7:
      return foreignStep(state, tenant)
    default:
      return { method: 'GET', path, expected: [200] }
  }
}

/** An id that is no document of this tenant. */
function foreignStep(state: SoakState, tenant: SoakTenant): Step {
  const other = state.tenants[randomInt(state.tenants.length)]
  const id = other === undefined || other === tenant ? randomUUID() : (other.lastDocumentId ?? randomUUID())
  return { method: 'GET', path: `${collection}/${id}`, expected: [404] }
}

function count(state: SoakState, answer: string): void {
  state.answers.set(answer, (state.answers.get(answer) ?? 0) + 1)
}
