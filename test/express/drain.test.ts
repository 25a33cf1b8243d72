import express from 'express';
import { expressAdapter } from '@ferrule/express';
import { drainCases } from '../support/drain-cases.js';
import { drainRoutes, mounted } from '../support/drain-routes.js';

drainCases('Express, routes of the service', (work) => mounted(expressAdapter(), drainRoutes(work)));

drainCases('Express, routes of the app', (work) => {
  const app = express();
  app.get('/quick', (_req, res) => void res.send('quick'));
  app.get('/large', (_req, res) => void res.send(work.large()));
  app.get('/slow', (_req, res) => work.hold().then(() => void res.send('slow')));
  app.get('/stream', (_req, res) => work.stream(res));
  app.post('/body', express.raw({ type: () => true }), (_req, res) => void res.send('read'));
  return mounted(expressAdapter({ app }));
});
