'use strict';

// What the page may charge is the sandbox. With a real gateway it only reads.
const charge = document.getElementById('swagger-ui').dataset.charge === 'true';

SwaggerUIBundle({
  url: 'openapi.yaml',
  dom_id: '#swagger-ui',
  deepLinking: true,
  validatorUrl: null, // no other host is told of this one
  supportedSubmitMethods: charge ? ['get', 'post'] : ['get'],
});
