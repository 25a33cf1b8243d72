export { rejected } from '../call/rejected.js';
