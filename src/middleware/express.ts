// The adapter for Express 5: translate, admit, stay in scope, answer. Everything that decides is in http.ts and core/.
//
// Express hands each middleware a callback for the rest of the request. Whoever calls it in a context of his own (a parser in the
// socket's, a session store in that of whoever filled its queue) would take the rest there. So each step of an admitted request is
// begun in its scope anew, in the one method through which Express begins them all, and so is what the request and its answer emit.

import type { ErrorRequestHandler, NextFunction, Request, RequestHandler, Response } from 'express'
import { requestIdOf } from '../core/request-id.ts'
import { ConfigurationError, InvalidInputError, RouteNotFoundError } from '../errors.ts'
import { bodyBytesMaxDefault, readRequestBody } from './body.ts'
import { emitInScope } from './emit-in-scope.ts'
import { type Admission, admittedHeaders, HttpDoor, type HttpDoorOptions } from './http.ts'
import type { HttpProblem } from './problem.ts'

declare global {
  namespace Express {
    interface Request {
      /** Who asks, and for which tenant. Undefined on public paths. */
      tenancy?: Admission | undefined
      /** As it was sent, where an identity provider verified it (webhooks). */
      rawBody?: Buffer | undefined
    }
  }
}

export interface ExpressTenancyOptions extends HttpDoorOptions {
  /** Answer who is not let in with problem+json. Default true; false if the application's own error handler does so. */
  readonly handleErrors?: boolean | undefined
  /** The longest body that is read to verify it (webhooks), in bytes. Default 100,000. */
  readonly bodyBytesMax?: number | undefined
}

export interface ExpressTenancy {
  /** First of all, before any parser: what comes after it serves verified members of one active tenant, or is public. */
  readonly admit: RequestHandler
  /** Last of all: unknown routes and errors, as problem+json. */
  readonly problems: readonly (RequestHandler | ErrorRequestHandler)[]
}

/**
 * A body that was read to be verified is in `request.rawBody`, and in `request.body`: parsed if it is JSON, and otherwise as it is.
 *
 * @example
 * ```ts
 * const { admit, problems } = expressTenancy({ tenancy, identity: oidc({ … }), hints: [header()] })
 * app.use(admit)
 * app.use(express.json())
 * app.get('/documents', async (request, response) => response.json(await list(request.tenancy!.tenant)))
 * app.use(problems)
 * ```
 *
 * @throws {ConfigurationError}
 */
export function expressTenancy(options: ExpressTenancyOptions): ExpressTenancy {
  const door = new HttpDoor(options)
  const { handleErrors = true, bodyBytesMax = bodyBytesMaxDefault } = options

  const admission = async (request: Request, response: Response): Promise<Admission | undefined> => {
    const { originalUrl: url, method, rawHeaders, socket } = request
    const incoming = door.read({ method, url, rawHeaders, socket })
    const requestId = requestIdOf(incoming)
    response.setHeader('x-request-id', requestId)
    stepInScope(request)
    if (door.isPublic(url)) return undefined
    if (!door.needsBody(incoming)) return await door.admit(incoming, requestId)
    const body = await readRequestBody(request, bodyBytesMax)
    const admitted = await door.admit({ ...incoming, body }, requestId)
    request.rawBody = body
    request.body = request.is(['json', '+json']) === false ? body : parsed(body)
    return admitted
  }

  const admit: RequestHandler = (request, response, next) => {
    admission(request, response).then(
      (admitted) => {
        if (admitted === undefined) return next()
        request.tenancy = admitted
        response.set(admittedHeaders(admitted))
        emitInScope(request, admitted)
        emitInScope(response, admitted)
        admitted.enter(next)
      },
      (error: unknown) => (handleErrors ? answer(error, response) : next(error)),
    )
  }

  function answer(error: unknown, response: Response): void {
    send(door.problem(error, String(response.getHeader('x-request-id') ?? requestIdOf({ headers: [] }))), response)
  }

  const notFound: RequestHandler = (_request, _response, next) => next(new RouteNotFoundError('No route has this method and path.'))
  const failed: ErrorRequestHandler = (error: unknown, _request, response, next) => {
    if (response.headersSent) next(error)
    else answer(error, response)
  }
  return { admit, problems: [notFound, failed] }
}

/** As text: nobody's JSON replacer or escape is for it. */
function send({ status, headers, body }: HttpProblem, response: Response): void {
  response.status(status).set(headers)
  response.end(JSON.stringify(body))
}

function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString())
  } catch (cause) {
    throw new InvalidInputError('The body cannot be parsed.', { cause })
  }
}

type Step = (this: unknown, request: Request, response: Response, next: NextFunction) => unknown
type FailedStep = (this: unknown, error: unknown, request: Request, response: Response, next: NextFunction) => unknown

interface Steps {
  handleRequest?: Step
  handleError?: FailedStep
}

const scoped = new WeakSet<Steps>()

/**
 * Routers, routes and applications of one Express are all made of one kind of layer. It is found by looking at one.
 *
 * @throws {ConfigurationError} when this Express has no such thing: better no answer than one in another tenant's scope.
 */
function stepInScope(request: Request): void {
  const { router } = request.app as unknown as { readonly router?: { readonly stack?: readonly object[] } }
  const [layer] = router?.stack ?? []
  const steps: Steps | undefined = layer && (Object.getPrototypeOf(layer) as Steps)
  if (steps !== undefined && scoped.has(steps)) return
  const { handleRequest, handleError } = steps ?? {}
  if (steps === undefined || handleRequest === undefined || handleError === undefined) {
    throw new ConfigurationError('This version of Express is not one that partywall/express knows. It needs Express 5.')
  }
  scoped.add(steps)
  steps.handleRequest = function begin(...args) {
    within(args[0].tenancy, () => handleRequest.apply(this, args))
  }
  steps.handleError = function begin(...args) {
    within(args[1].tenancy, () => handleError.apply(this, args))
  }
}

function within(admission: Admission | undefined, fn: () => unknown): void {
  if (admission === undefined) fn()
  else admission.enter(() => void fn())
}
