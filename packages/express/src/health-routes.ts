import type { RequestHandler } from 'express';
import type { Monitor } from '@ferrule/core';
import { healthHandler } from '@ferrule/core/adapter';

/** The monitor's health routes as middleware, for an app without a Service: put it first. */
export function healthRoutes(monitor: Monitor): RequestHandler {
  const answers = healthHandler(monitor);
  return function ferruleHealth(req, res, next) {
    if (!answers(req, res)) next();
  };
}
