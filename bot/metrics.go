package bot

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/ledger"
)

// metrics are what Prometheus reads at /metrics.
type metrics struct {
	registry   *prometheus.Registry
	deliveries *prometheus.CounterVec   // forge, event, outcome
	answered   prometheus.Histogram     // seconds
	operations *prometheus.CounterVec   // forge, kind, state
	stages     *prometheus.HistogramVec // stage; seconds
	calls      *prometheus.CounterVec   // forge, outcome
	remaining  *prometheus.GaugeVec     // forge
}

func newMetrics(stats func(context.Context) (ledger.Stats, error)) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		deliveries: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "slipway_deliveries_total",
			Help: "Webhook deliveries by forge, event and outcome."}, []string{"forge", "event", "outcome"}),
		answered: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "slipway_delivery_answer_seconds",
			Help: "Time from a delivery's headers to its answer.", Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5}}),
		operations: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "slipway_operations_total",
			Help: "Attempts at operations by forge, kind and the state they ended in."}, []string{"forge", "kind", "state"}),
		stages: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "slipway_stage_seconds",
			Help: "Time that a stage of a release took.", Buckets: prometheus.ExponentialBuckets(.05, 3, 10)}, []string{"stage"}),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "slipway_forge_calls_total",
			Help: "Calls to a forge's API by status class."}, []string{"forge", "status"}),
		remaining: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "slipway_forge_rate_remaining",
			Help: "Calls left of the forge's allowance, where it tells."}, []string{"forge"}),
	}
	m.registry.MustRegister(m.deliveries, m.answered, m.operations, m.stages, m.calls, m.remaining,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		queue{stats,
			prometheus.NewDesc("slipway_queue_depth", "What is to be done, by queue, kind and state.", []string{"queue", "kind", "state"}, nil),
			prometheus.NewDesc("slipway_queue_age_seconds", "Age of the oldest of it.", []string{"queue", "kind", "state"}, nil)})
	return m
}

// answeredBy counts a call to a forge by the class of its answer.
func (m *metrics) answeredBy(forgeName string, status int) {
	class := "none"
	if status > 0 {
		class = fmt.Sprintf("%dxx", status/100)
	}
	m.calls.WithLabelValues(forgeName, class).Inc()
}

// left notes what is left of a forge's allowance, where it tells.
func (m *metrics) left(forgeName string, f Forge) {
	if rated, ok := f.(forge.Rated); ok {
		if r := rated.RateLeft(); r.Limit > 0 {
			m.remaining.WithLabelValues(forgeName).Set(float64(r.Remaining))
		}
	}
}

// queue asks the ledger when Prometheus asks.
type queue struct {
	stats      func(context.Context) (ledger.Stats, error)
	depth, age *prometheus.Desc
}

func (q queue) Describe(out chan<- *prometheus.Desc) { out <- q.depth; out <- q.age }

func (q queue) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	s, err := q.stats(ctx)
	if err != nil {
		out <- prometheus.NewInvalidMetric(q.depth, err)
		return
	}
	tell := func(depth int, oldest time.Duration, labels ...string) {
		out <- prometheus.MustNewConstMetric(q.depth, prometheus.GaugeValue, float64(depth), labels...)
		out <- prometheus.MustNewConstMetric(q.age, prometheus.GaugeValue, oldest.Seconds(), labels...)
	}
	tell(s.Deliveries, s.OldestDelivery, "deliveries", "", "pending")
	for _, o := range s.Operations {
		tell(o.Count, o.Oldest, string(o.Lane), o.Kind, string(o.State))
	}
}
